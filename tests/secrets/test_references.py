from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlxkit.errors import ConfigError, CredentialsError
from mlxkit.secrets.masking import mask_text
from mlxkit.secrets.references import Reference, find, has_reference, normalise, renamed, resolve
from mlxkit.secrets.value import SecretValue

SECRETS = {
    "s": {"user": "bob", "pw": "p@/:<<s.user>>{{s.user}}", "multi.key": "mk", "a-b": "x", "empty": ""},
    "mlflow_secret": {"username": "u", "password": "p"},
}


def _resolve(text: str) -> str:
    value = resolve({"f": text}, SECRETS.get)["f"]
    return value.reveal() if isinstance(value, SecretValue) else value


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("<<s.user>>", "bob"),
        ("{{s.user}}", "bob"),
        ("<< s.user >>", "bob"),
        ("{{\ts.user }}", "bob"),
        (
            "https://<<s.user>>:<<s.pw|url>>@host",
            "https://bob:p%40%2F%3A%3C%3Cs.user%3E%3E%7B%7Bs.user%7D%7D@host",
        ),
        ("<<s.pw | url >>", "p%40%2F%3A%3C%3Cs.user%3E%3E%7B%7Bs.user%7D%7D"),
        ("<<s.pw>>", "p@/:<<s.user>>{{s.user}}"),
        ("x<<s.multi.key>>y", "xmky"),
        ("<<s.a-b>>{{s.user}}", "xbob"),
        ("<<<<s.user>>>>", "<<bob>>"),
        ("<<s.empty>>", ""),
    ],
)
def test_references_are_replaced_in_one_pass(text: str, meant: str) -> None:
    assert _resolve(text) == meant
    assert has_reference(text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("", ""),
        ("a << b >> c.d", "a << b >> c.d"),
        ("cat <<EOF", "cat <<EOF"),
        ("x = a <<b.c", "x = a <<b.c"),
        ("${{ secrets.PW }} ${{secrets.PW}}", "${{ secrets.PW }} ${{secrets.PW}}"),
        ("{{ a b }}", "{{ a b }}"),
        ("{% if %}", "{% if %}"),
        (r"\<<s.user>>", "<<s.user>>"),
        (r"\{{s.user}}", "{{s.user}}"),
        (r"\\<<s.user>>", r"\<<s.user>>"),
        (r"\<<name>>", "<<name>>"),
    ],
)
def test_what_is_no_reference_stays_plain_text(text: str, meant: str) -> None:
    value = resolve({"f": text}, SECRETS.get)["f"]
    assert value == meant
    assert isinstance(value, str)
    assert not has_reference(text)


@pytest.mark.parametrize(
    "text",
    [
        "<<s>>",
        "<<.user>>",
        "<<s.>>",
        "{{ cookiecutter }}",
        "{{name}}",
        "<<-s.user>>",
        "<<s.user|html>>",
        "<<s.user|>>",
        "x{{ s }}y",
    ],
)
def test_what_nearly_is_a_reference_is_an_error_with_the_right_form(text: str) -> None:
    for call in (normalise, _resolve):
        with pytest.raises(ConfigError, match=r"<<name\.key"):
            call(text)
    assert find(text) == []


def test_an_escaped_near_miss_is_text() -> None:
    assert normalise(r"\{{ cookiecutter }}") == r"\{{ cookiecutter }}"
    assert _resolve(r"\{{ cookiecutter }}") == "{{ cookiecutter }}"


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("{{s.user}}", "<<s.user>>"),
        ("{{ s.user | url }}@{{s.pw}}", "<<s.user|url>>@<<s.pw>>"),
        ("<< s.user >>", "<<s.user>>"),
        (r"\{{s.user}} ${{ s.user }}", r"\{{s.user}} ${{ s.user }}"),
        ("plain", "plain"),
    ],
)
def test_a_reference_is_stored_in_one_spelling(text: str, stored: str) -> None:
    assert normalise(text) == stored
    assert normalise(stored) == stored


def test_the_first_dot_separates_name_and_key() -> None:
    assert find("<<a.b.c>> {{d-e.f_g|url}}") == [Reference("a", "b.c"), Reference("d-e", "f_g", "url")]


def test_everything_that_is_missing_is_in_one_error_with_suggestions() -> None:
    fields = {
        "experiment_trackers.team.tracking_username": "<<mlflow_secrt.username>>",
        "experiment_trackers.team.tracking_password": "<<mlflow_secret.pasword>>:<<zzz.k>>",
        "experiment_trackers.team.tracking_uri": "https://fine",
    }
    with pytest.raises(CredentialsError) as raised:
        resolve(fields, SECRETS.get, names=lambda: SECRETS)
    assert raised.value.message == (
        "3 references cannot be resolved:\n"
        "  experiment_trackers.team.tracking_username: no secret named 'mlflow_secrt' (did you mean 'mlflow_secret'?)\n"
        "  experiment_trackers.team.tracking_password: secret 'mlflow_secret' has no key 'pasword' "
        "(did you mean 'password'?), only password, username\n"
        "  experiment_trackers.team.tracking_password: no secret named 'zzz'"
    )
    assert raised.value.hint == "mlx secret create mlflow_secrt --username"


def test_an_error_never_shows_a_value() -> None:
    with pytest.raises(CredentialsError) as raised:
        resolve({"a": "<<s.pw>> <<s.nope>>", "b": "<<s.user>>"}, SECRETS.get)
    assert "p@/" not in raised.value.message
    assert "bob" not in raised.value.message


def test_a_near_miss_and_a_missing_secret_are_reported_together() -> None:
    with pytest.raises(ConfigError) as raised:
        resolve({"a": "<<s>>", "b": "<<zzz.k>>"}, SECRETS.get)
    assert "a: '<<s>>' is not a reference" in raised.value.message
    assert "b: no secret named 'zzz'" in raised.value.message


def test_a_resolved_text_is_a_secret_and_so_is_the_value_inside_it() -> None:
    value = resolve({"f": "https://u:<<t.k>>@h"}, {"t": {"k": "only-in-this-test"}}.get)["f"]
    assert isinstance(value, SecretValue)
    assert f"{value}" == "***"
    assert mask_text("only-in-this-test") == "***"


def test_only_the_secrets_that_are_referred_to_are_looked_up() -> None:
    asked: list[str] = []

    def lookup(name: str) -> dict[str, str]:
        asked.append(name)
        return {"k": "value"}

    resolve({"a": "<<one.k>>", "b": r"\<<two.k>> ${{ three.k }}"}, lookup)
    assert asked == ["one"]


def test_references_to_one_secret_can_be_sent_to_another() -> None:
    assert renamed("<<old.a>> {{ old.b | url }} <<older.c>> \\<<old.d>>", "old", "new") == (
        "<<new.a>> <<new.b|url>> <<older.c>> \\<<old.d>>"
    )


quick = settings(max_examples=200, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@quick
@given(st.text("<>{}\\$ s.userk|", max_size=30))
def test_any_text_either_resolves_or_is_refused_and_keeps_its_meaning_when_normalised(text: str) -> None:
    try:
        meant = _resolve(text)
    except (ConfigError, CredentialsError):
        return
    assert _resolve(normalise(text)) == meant


@quick
@given(st.text(max_size=30))
def test_a_value_is_never_looked_into(value: str) -> None:
    resolved = resolve({"f": "a<<s.k>>b"}, {"s": {"k": value}}.get)["f"]
    assert isinstance(resolved, SecretValue)
    assert resolved.reveal() == f"a{value}b"
