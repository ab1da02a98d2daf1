"""HashiCorp Vault and OpenBao, KV version 2: against a real server."""

from __future__ import annotations

import json
import socket
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mlxkit.errors import ConfigError, CredentialsError, ExitCode, NotFoundError
from mlxkit.secrets.masking import mask_text
from mlxkit.secrets.service import SecretService
from mlxkit.secrets.stores.protocol import StoreUnusableError
from tests.fixtures.openbao import OpenBao

from .conftest import Recorder, Write

CANARY = "S3CR3T-of-the-team"


@pytest.fixture
def mount(openbao: OpenBao, monkeypatch: pytest.MonkeyPatch) -> str:
    """A mount with one secret in a folder; the user's tools are set to the server."""
    mount = openbao.mount()
    openbao.put(mount, "mlx/db", {"username": "ada", "password": CANARY})
    monkeypatch.setenv("VAULT_TOKEN", openbao.root)
    return mount


@pytest.fixture
def team(openbao: OpenBao, mount: str, project: Write) -> SecretService:
    return project(team={"flavor": "vault", "address": openbao.address, "mount": mount, "path": "mlx"})


def body(openbao: OpenBao, mount: str, **more: str) -> dict[str, str]:
    return {"flavor": "vault", "address": openbao.address, "mount": mount, "path": "mlx", **more}


def error_of(secrets: SecretService, name: str = "db") -> StoreUnusableError:
    with pytest.raises(StoreUnusableError) as caught:
        secrets.reveal(name)
    assert caught.value.exit_code is ExitCode.credentials
    assert caught.value.hint
    return caught.value


def test_a_secret_is_read_listed_and_resolved(team: SecretService) -> None:
    assert team.reveal("db") == {"username": "ada", "password": CANARY}
    assert team.value("db", "username") == "ada"
    (listing,) = team.list()
    assert (listing.name, listing.keys, listing.store) == ("db", (), "vault team")
    assert set(team.get("db").keys) == {"username", "password"}
    resolved = team.resolve({"uri": "https://<<db.username>>:<<db.password|url>>@h"})
    assert str(resolved["uri"]) == "***"
    assert resolved["uri"].reveal() == f"https://ada:{CANARY}@h"  # type: ignore[union-attr]


def test_what_was_read_is_masked_also_the_keys_that_nobody_asked_for(team: SecretService) -> None:
    team.value("db", "username")
    assert mask_text(f"the password is {CANARY}") == "the password is ***"


def test_the_token_is_masked(team: SecretService, openbao: OpenBao) -> None:
    team.reveal("db")
    assert openbao.root not in mask_text(f"token {openbao.root}")


def test_values_that_are_no_text_become_text_and_keys_that_cannot_be_referred_to_are_left_out(
    team: SecretService, openbao: OpenBao, mount: str
) -> None:
    openbao.put(
        mount, "mlx/odd", {"port": 5432, "rate": 1.50, "on": True, "map": {"a": 1}, "a b": "x", "-": "y"}
    )
    values = team.reveal("odd")
    assert {key: values[key] for key in ("port", "on")} == {"port": "5432", "on": "true"}
    assert set(values) == {"port", "rate", "on", "map"}
    assert values["map"] == '{"a": 1}'
    (note,) = team.team.notes
    assert note == f"vault team: 2 of the keys of {mount}/mlx/odd cannot be referred to: they are left out"
    again = SecretService()  # which finds it in the memory of this process
    assert set(again.reveal("odd")) == set(values) and again.team.notes == [note]


def test_an_entry_without_one_usable_key_is_a_value_as_a_whole_and_one_without_keys_is_named(
    team: SecretService, openbao: OpenBao, mount: str
) -> None:
    openbao.put(mount, "mlx/urls", {"https://a": "x"})
    openbao.put(mount, "mlx/empty", {})
    assert team.reveal("urls") == {"value": '{"https://a": "x"}'}
    assert "the whole is its key value" in team.team.notes[0]
    error = error_of(team, "empty")
    assert f"{mount}/mlx/empty has no keys" in error.message
    assert f"bao kv patch -mount={mount} mlx/empty KEY=VALUE" in str(error.hint)


def test_folders_and_names_that_cannot_be_referred_to_are_not_listed(
    team: SecretService, openbao: OpenBao, mount: str
) -> None:
    for path in ("mlx/sub/inner", "mlx/has.dot", "mlx/two__parts", "elsewhere"):
        openbao.put(mount, path, {"k": "v"})
    assert [listing.name for listing in team.list()] == ["db"]
    (note,) = team.team.notes
    assert "no reference can name it: has.dot, sub/, two__parts; one with the path of a folder" in note


@pytest.mark.parametrize("name", ["../elsewhere", "sub/inner", "db?version=1", "db#", "%2e%2e"])
def test_a_name_cannot_lead_out_of_the_folder(team: SecretService, name: str) -> None:
    with pytest.raises(NotFoundError):
        team.reveal(name)
    assert team.lookup(name) is None


def test_a_secret_that_is_not_there_is_not_found_with_the_nearest_name(team: SecretService) -> None:
    with pytest.raises(NotFoundError, match="did you mean 'db'"):
        team.reveal("dbb")
    assert team.lookup("dbb") is None
    with pytest.raises(CredentialsError, match=r"no secret named 'dbb' .did you mean 'db'"):
        team.resolve({"x": "<<dbb.password>>"})
    with pytest.raises(CredentialsError, match=r"no key 'pasword' .did you mean 'password'"):
        team.resolve({"x": "<<db.pasword>>"})


def test_nothing_is_written_and_the_words_say_what_would(team: SecretService, mount: str) -> None:
    for change in (
        lambda: team.update("db", {"password": "new"}),
        lambda: team.rename("db", "other"),
        lambda: team.delete("db"),
    ):
        with pytest.raises(StoreUnusableError, match="mlx only reads there") as caught:
            change()
        assert f"bao kv patch -mount={mount} mlx/db" in str(caught.value.hint)
    assert team.reveal("db")["password"] == CANARY


def test_a_named_secret_is_exported_and_all_are_those_of_this_machine(team: SecretService) -> None:
    assert team.export(["db"]) == {"db": {"username": "ada", "password": CANARY}}
    assert team.export() == {}


def test_the_environment_counts_by_key_before_the_provider(
    team: SecretService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLX_SECRET_DB__PASSWORD", "from-environment")
    assert team.value("db", "password") == "from-environment"
    assert team.value("db", "username") == "ada"
    assert team.reveal("db") == {"username": "ada", "password": "from-environment"}
    listing = team.get("db")
    assert (listing.store, set(listing.keys), listing.from_environment, listing.also_in) == (
        "environment", {"username", "password"}, ("password",), ("vault team",),
    )  # fmt: skip
    assert [place.name for place in team.where("db")] == ["environment", "vault team"]


def test_what_the_environment_gives_asks_nobody(project: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = project(team={"flavor": "vault", "address": "http://127.0.0.1:9"}, trusted=False)
    monkeypatch.setenv("MLX_SECRET_DB__PASSWORD", "from-environment")
    assert secrets.resolve({"x": "<<db.password>>"})["x"].reveal() == "from-environment"  # type: ignore[union-attr]
    assert secrets.get("db").keys == ("password",)


def test_a_secret_of_this_machine_hides_the_team_s_whole(
    team: SecretService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = tmp_path / "password"
    password.write_text("pw")
    password.chmod(0o600)
    monkeypatch.setenv("MLX_KEYRING_PASSWORD_FILE", str(password))
    monkeypatch.setenv("MLX_SECRETS_BACKEND", "file")
    mine = SecretService()
    mine.create("db", {"password": "my own"})
    assert mine.reveal("db") == {"password": "my own"}
    assert mine.lookup("db").get("username") is None  # type: ignore[union-attr]
    (listing,) = mine.list()
    assert (listing.store, listing.also_in) == ("encrypted file", ("vault team",))
    first, second = mine.where("db")
    assert (first.name, first.note) == ("encrypted file", "")
    assert (second.name, second.note) == ("vault team", "not used: encrypted file comes first")


def test_of_two_providers_the_first_in_the_file_counts(openbao: OpenBao, mount: str, project: Write) -> None:
    other = openbao.mount()
    openbao.put(other, "db", {"password": "the second one's"})
    openbao.put(other, "only", {"k": "v"})
    secrets = project(
        first=body(openbao, mount), second={"flavor": "openbao", "address": openbao.address, "mount": other}
    )
    assert secrets.value("db", "password") == CANARY
    assert secrets.value("only", "k") == "v"
    assert [place.note for place in secrets.where("db")] == ["", "not used: vault first comes first"]
    assert {item.name: (item.store, item.also_in) for item in secrets.list()} == {
        "db": ("vault first", ("openbao second",)),
        "only": ("openbao second", ()),
    }


def test_a_first_provider_that_is_away_ends_the_search(openbao: OpenBao, mount: str, project: Write) -> None:
    secrets = project(
        away={"flavor": "vault", "address": "http://127.0.0.1:9", "token": "<<t.t>>"},
        team=body(openbao, mount),
    )
    with pytest.raises(CredentialsError, match="away"):
        secrets.reveal("db")
    assert [listing.name for listing in secrets.list()] == ["db"]
    assert len(secrets.team.problems) == 1
    (place,) = secrets.where("db")
    assert "away, which cannot be asked" in place.note


def test_stores_show_the_provider_with_its_names(team: SecretService, openbao: OpenBao, mount: str) -> None:
    record = team.stores()[-1]
    assert (record.name, record.is_usable, record.is_default, record.secrets) == (
        "vault team",
        True,
        False,
        ("db",),
    )
    assert record.location == f"{openbao.address} {mount}/mlx"
    assert "read only" in record.note


# What goes wrong.


def test_a_sealed_server_is_named_so(team: SecretService, openbao: OpenBao) -> None:
    with openbao.sealed():
        assert "is sealed" in error_of(team).message
    assert team.reveal("db")


def test_a_token_that_is_unknown_or_spent_is_told_from_a_policy_that_is_missing(
    openbao: OpenBao, mount: str, project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = project(team=body(openbao, mount))
    monkeypatch.setenv("VAULT_TOKEN", "s.never-made")
    error = error_of(secrets)
    assert "does not know the token from VAULT_TOKEN" in error.message
    assert "s.never-made" not in error.message + str(error.hint)
    monkeypatch.setenv("VAULT_TOKEN", openbao.token())
    error = error_of(project(team=body(openbao, mount)))
    assert "permission denied" in error.message
    assert f'path "{mount}/data/mlx/db" {{ capabilities = ["read"] }}' in str(error.hint)


def test_names_that_may_not_be_listed_leave_the_reading_as_it_is(
    openbao: OpenBao, mount: str, project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = openbao.policy(f'path "{mount}/data/mlx/*" {{ capabilities = ["read"] }}')
    monkeypatch.setenv("VAULT_TOKEN", openbao.token(policy))
    secrets = project(team=body(openbao, mount))
    assert secrets.reveal("db")["password"] == CANARY
    assert secrets.list() == []
    (problem,) = secrets.team.problems
    assert f'path "{mount}/metadata/mlx" {{ capabilities = ["list"] }}' in str(problem.hint)
    assert secrets.stores()[-1].is_usable


def test_the_policy_that_the_hint_asks_for_is_enough(
    openbao: OpenBao, mount: str, project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = project(team=body(openbao, mount))
    monkeypatch.setenv("VAULT_TOKEN", openbao.token())
    asked = [str(error_of(secrets).hint)]
    monkeypatch.setenv("VAULT_TOKEN", openbao.token())
    secrets = project(team=body(openbao, mount))
    assert secrets.list() == []
    asked.append(str(secrets.team.problems[0].hint))
    rules = "\n".join(hint.removeprefix("ask for: ") for hint in asked)
    monkeypatch.setenv("VAULT_TOKEN", openbao.token(openbao.policy(rules)))
    secrets = project(team=body(openbao, mount))
    assert secrets.reveal("db")["password"] == CANARY
    assert [listing.name for listing in secrets.list()] == ["db"]


def test_a_mount_of_version_1_is_named(
    openbao: OpenBao, project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", openbao.root)
    old = openbao.mount(version=1)
    openbao.call("POST", f"{old}/mlx/db", {"password": CANARY})
    secrets = project(team=body(openbao, old))
    assert "a KV engine of version 1" in error_of(secrets).message
    assert secrets.list() == [] and "version 1" in secrets.team.problems[0].message


def test_a_mount_that_is_none_is_named(openbao: OpenBao, mount: str, project: Write) -> None:
    assert "has no mount secrte/" in error_of(project(team=body(openbao, "secrte"))).message


def test_a_deleted_version_is_not_an_absent_secret(team: SecretService, openbao: OpenBao, mount: str) -> None:
    openbao.call("DELETE", f"{mount}/data/mlx/db")
    error = error_of(team)
    assert "was deleted at 20" in error.message
    assert f"bao kv undelete -mount={mount} -versions=1 mlx/db" in str(error.hint)
    openbao.call("POST", f"{mount}/destroy/mlx/db", {"versions": [1]})
    assert "was destroyed" in error_of(team).message


def test_a_namespace_is_used_and_one_that_is_not_there_is_named(
    openbao: OpenBao, project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", openbao.root)
    openbao.call("POST", "sys/namespaces/ns-a", {})
    inner = openbao.mount(namespace="ns-a")
    openbao.put(inner, "mlx/db", {"password": "of the namespace"}, namespace="ns-a")
    assert project(team=body(openbao, inner, namespace="ns-a")).value("db", "password") == "of the namespace"
    assert "no namespace 'nope'" in error_of(project(team=body(openbao, inner, namespace="nope"))).message


def test_a_server_that_nobody_runs_does_not_answer(project: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "s.token-of-mine")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        secrets = project(team={"flavor": "vault", "address": address})
        assert f"{address} does not answer" in error_of(secrets).message


def test_a_server_that_takes_the_connection_and_says_nothing_does_not_hold_the_list(
    project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "s.token-of-mine")
    monkeypatch.setattr("mlxkit.secrets.providers.chain.LIST_PATIENCE", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        secrets = project(team={"flavor": "vault", "address": f"http://127.0.0.1:{silent.getsockname()[1]}"})
        assert secrets.list() == []
        assert "did not answer within 0.3 s" in secrets.team.problems[0].message
        monkeypatch.setattr("mlxkit.secrets.providers.kv2_http.ANSWER_PATIENCE", 0.4)
        assert "no answer within 0.4 s" in error_of(secrets).message


def test_a_certificate_has_to_be_trusted(
    openbao_tls: OpenBao, project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", openbao_tls.root)
    mount = openbao_tls.mount()
    openbao_tls.put(mount, "mlx/db", {"password": CANARY})
    secrets = project(team=body(openbao_tls, mount))
    error = error_of(secrets)
    assert "the certificate of" in error.message and "VAULT_CACERT" in str(error.hint)
    monkeypatch.setenv("VAULT_CACERT", str(openbao_tls.ca))
    assert project(team=body(openbao_tls, mount)).value("db", "password") == CANARY
    monkeypatch.delenv("VAULT_CACERT")
    Path("team-ca.pem").write_bytes(Path(str(openbao_tls.ca)).read_bytes())
    assert project(team=body(openbao_tls, mount, ca_file="team-ca.pem")).value("db", "password") == CANARY


def test_a_certificate_authority_that_is_none_is_named(
    openbao: OpenBao, mount: str, project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("ca.pem").write_text("no certificate")
    with pytest.raises(ConfigError, match=r"ca.pem holds no certificate"):
        project(team=body(openbao, mount, ca_file="ca.pem")).reveal("db")


def test_http_where_tls_is_spoken_and_the_other_way_round(
    openbao: OpenBao, openbao_tls: OpenBao, mount: str, project: Write
) -> None:
    https = openbao.address.replace("http://", "https://")
    assert "does not speak TLS" in error_of(project(team={"flavor": "vault", "address": https})).message
    plain = openbao_tls.address.replace("https://", "http://")
    assert error_of(project(team={"flavor": "vault", "address": plain}))


# A server that is none, or a hostile one.


def test_a_redirect_to_another_server_is_not_followed(
    openbao: OpenBao, mount: str, project: Write, stranger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    thief: Any = ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    thief.seen, thief.answer = [], (200, {}, b'{"data": {"data": {"password": "x"}}}')
    thread = threading.Thread(target=thief.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        secrets = project(team={"flavor": "vault", "address": stranger.address})
        for status in (301, 302, 303, 307, 308):
            for host in ("127.0.0.1", "localhost"):
                target = f"http://{host}:{thief.server_address[1]}/v1/secret/data/db"
                stranger.answer = (status, {"Location": target}, b"")
                error = error_of(secrets)
                assert "another server, where the token is not sent" in error.message
        assert thief.seen == []
        assert any(headers.get("X-Vault-Token") == openbao.root for _, headers in stranger.seen)
    finally:
        thief.shutdown()
        thread.join()
        thief.server_close()


def test_a_redirect_on_the_same_server_is_followed_and_a_circle_ends(
    mount: str, project: Write, stranger: Any
) -> None:
    stranger.answer = (307, {"Location": "/v1/round"}, b"")
    assert "in a circle" in error_of(project(team={"flavor": "vault", "address": stranger.address})).message
    assert [path for path, _ in stranger.seen][1:] == ["/v1/round"] * 3


@pytest.mark.parametrize("content", [b"<html>hello</html>", b"[1]", b'"text"', b"\xff\xfe", b"[" * 100_000])
def test_a_server_that_is_no_vault_is_asked_about(
    mount: str, project: Write, stranger: Any, content: bytes
) -> None:
    stranger.answer = (200, {}, content)
    assert (
        "is it a Vault?" in error_of(project(team={"flavor": "vault", "address": stranger.address})).message
    )


def test_what_a_server_says_of_itself_is_short_masked_and_on_one_line(
    openbao: OpenBao, mount: str, project: Write, stranger: Any
) -> None:
    said = {"errors": [f"\x1b[31mno\n token {openbao.root} {'x' * 500}"]}
    stranger.answer = (500, {}, json.dumps(said).encode())
    message = error_of(project(team={"flavor": "vault", "address": stranger.address})).message
    assert openbao.root not in message and "\x1b" not in message and len(message) < 400


def test_a_token_that_no_header_can_carry_is_refused_without_being_shown(
    openbao: OpenBao, mount: str, project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    for strange in ("s.one\ns.two", "s.tök", "two words"):
        monkeypatch.setenv("VAULT_TOKEN", strange)
        error = error_of(project(team=body(openbao, mount)))
        assert "VAULT_TOKEN holds no token" in error.message
        assert strange not in error.message


def test_nothing_is_printed_when_somebody_debugs_http(
    team: SecretService, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("http.client.HTTPConnection.debuglevel", 1)
    assert team.reveal("db")
    assert capfd.readouterr() == ("", "")
