from __future__ import annotations

import pytest

from mlxkit.errors import UsageError
from mlxkit.secrets.document import secrets_from_text, to_text, values_from_text

from .stores.contract import AWKWARD

SECRETS = {
    "db": AWKWARD,
    "other-1": {"a": "007", "b": "yes", "c": "1.10", "d": "2024-01-01", "e": "null", "f": "~"},
}


@pytest.mark.parametrize("as_json", [True, False])
def test_what_is_written_is_read_back(as_json: bool) -> None:
    assert secrets_from_text(to_text(SECRETS, as_json=as_json), what="file") == SECRETS


@pytest.mark.parametrize(
    "text",
    [
        '{"user": "u", "port": 5432, "ratio": 1.10, "big": 12345678901234567890123, "on": true}',
        "user: u\nport: 5432\nratio: 1.10\nbig: 12345678901234567890123\non: true\n",
        "# a comment\nuser: 'u'\n'port':   5432   # five\nratio: 1.10\nbig: 12345678901234567890123\n\"on\": true",
    ],
)
def test_numbers_and_truths_are_taken_as_written(text: str) -> None:
    assert values_from_text(text, what="x") == {
        "user": "u",
        "port": "5432",
        "ratio": "1.10",
        "big": "12345678901234567890123",
        "on": "true",
    }


@pytest.mark.parametrize(
    "written", ["007", "0x1F", "1_000", "1e3", "yes", "off", "1.0", "+1", "12:30:45", ".inf"]
)
def test_yaml_does_not_change_what_was_written(written: str) -> None:
    assert values_from_text(f"k: {written}\n", what="x") == {"k": written}
    assert secrets_from_text(f"s:\n  k: {written}\n", what="x") == {"s": {"k": written}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{k: 5}", "put it in quotes"),
        ("k:\n  5", "put it in quotes"),
        ("k:", "has no value"),
        ('{"k": null}', "has no value"),
        ("k: [1]", "is a list"),
        ('{"k": {"a": 1}}', "is a map"),
        ("- a", "map of keys to values"),
        ("just text", "map of keys to values"),
        ("5", "map of keys to values"),
        ("", "map of keys to values"),
        ('{"k": "a", "k": "b"}', "a key appears twice"),
        ("k: a\nk: b", "neither JSON nor YAML"),
        ("a b: c", "cannot be a key"),
    ],
)
def test_what_is_not_clear_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        values_from_text(text, what="x")


CANARY = "S3CR3T"


@pytest.mark.parametrize(
    "text",
    [
        f"k: *{CANARY}",
        f"k: !{CANARY} x",
        f"k: &a {CANARY}\nl: *b",
        f'{{"k": "{CANARY}"',
        f"k: '{CANARY}",
        f"k: {CANARY}: {CANARY}",
        f"\tk: {CANARY}",
        f"k: @{CANARY}",
        f"k: %{CANARY}\n\tx",
        f"{CANARY}",
        f"- {CANARY}",
        f"k: [{CANARY}]",
        f"k: |{CANARY}\n  x",
        f"? [{CANARY}]\n: x",
        f"k: {CANARY}\nk: {CANARY}",
        f"k: \x01{CANARY}",
        f'k: "\\x{CANARY}"',
    ],
)
@pytest.mark.parametrize("read", [values_from_text, secrets_from_text])
def test_no_error_quotes_the_text(text: str, read: object) -> None:
    import traceback

    with pytest.raises(UsageError) as raised:
        read(text, what="--values")  # type: ignore[operator]
    assert CANARY not in str(raised.value)
    assert CANARY not in "".join(traceback.format_exception(raised.value))


def test_a_value_in_braces_is_not_taken_for_a_key_to_be_shown() -> None:
    with pytest.raises(UsageError, match="k is a map") as raised:
        values_from_text(f"k: {{{CANARY}}}", what="--values")
    assert CANARY not in str(raised.value)


def test_secrets_need_two_levels() -> None:
    with pytest.raises(UsageError, match="db is not a map of keys to values"):
        secrets_from_text("db: x", what="file")
    with pytest.raises(UsageError, match="map of names to maps"):
        secrets_from_text("[]", what="file")


@pytest.mark.parametrize("as_json", [True, False])
def test_an_export_of_more_than_a_mebibyte_can_be_imported(as_json: bool) -> None:
    secrets = {f"s{number}": {"pem": f"-----BEGIN {number}-----\n" + "ab\n" * 20_000} for number in range(25)}
    text = to_text(secrets, as_json=as_json)
    assert len(text) > 1_048_576
    assert secrets_from_text(text, what="x") == secrets


@pytest.mark.parametrize(
    "text", ["[" * 200_000, '{"a":' * 200_000, "- " * 200_000, '{"a":' * 900 + "1" + "}" * 900]
)
def test_what_is_nested_without_end_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        secrets_from_text(text, what="x")
