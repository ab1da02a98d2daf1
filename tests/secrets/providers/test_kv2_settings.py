"""Addresses, namespaces and files that cannot be used, and answers that nobody expects: words, and never a crash."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlxkit.errors import ExitCode
from mlxkit.secrets.providers import kv2_http
from mlxkit.secrets.providers.places import asked_address, same_server
from mlxkit.secrets.stores.protocol import StoreUnusableError
from tests.conftest import Result
from tests.fixtures.openbao import OpenBao

from .conftest import Write

Mlx = Callable[..., Result]
SECRET = {"data": {"data": {"password": "S3CR3T"}}}


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "s.token-of-mine")


def _error(secrets: Any) -> StoreUnusableError:
    with pytest.raises(StoreUnusableError) as caught:
        secrets.reveal("db")
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://u:S3CR3T@127.0.0.1:9", "VAULT_ADDR: a credential does not stand in an address"),
        ("u:S3CR3T@127.0.0.1:9", "VAULT_ADDR: has to begin with https://"),
        ("https://u:S3C/R3T@127.0.0.1", "VAULT_ADDR: is not an address"),
        ("vault.example.com:8200", "VAULT_ADDR: has to begin with https://"),
        ("unix:///run/vault.sock", "VAULT_ADDR: has to begin with https://"),
        ("https://vault.example.com:82000", "VAULT_ADDR: is not an address"),
        ("https://vault.example.com?x=S3CR3T", "VAULT_ADDR: has to end with the port"),
    ],
)
def test_an_address_of_the_environment_is_checked_like_one_of_the_file(
    project: Write, mlx: Mlx, monkeypatch: pytest.MonkeyPatch, address: str, said: str
) -> None:
    monkeypatch.setenv("VAULT_ADDR", address)
    error = _error(project(team={"flavor": "vault"}))
    assert said in error.message
    shown = [
        mlx("secret", "where"),
        mlx("secret", "list"),
        mlx("secret", "trust", "--yes"),
        mlx("doctor", "--online"),
    ]
    assert said in shown[0].stdout
    assert "S3C" not in error.message + str(error.hint) + "".join(done.stdout + done.stderr for done in shown)


def test_the_address_of_the_environment_is_not_shown_with_a_password_beside_another_one(
    project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAO_ADDR", "https://u:S3CR3T@vault.example.com")
    error = _error(project(team={"flavor": "vault", "address": "http://127.0.0.1:9"}))
    assert "names another server, an address that is none" in error.message


BODIES = [
    {"address": "http://127.0.0.1:9", "ca_file": "~nosuchuser/x"},
    {"address": "https://127.0.0.1:9", "ca_file": "~nosuchuser/x"},
    {"address": "http://127.0.0.1:9", "ca_file": "x" * 5000},
    {"address": "http://127.0.0.1:9/ä"},
    {"address": "https://bücher.invalid"},
    {"address": "http://127.0.0.1:9", "auth": "jwt", "role": "r", "jwt_file": "~nosuchuser/x"},
]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: ascii(list(body.values())[-1][:25]))
@pytest.mark.parametrize("trusted", [False, True])
def test_strange_settings_of_others_break_no_listing(
    project: Write, mlx: Mlx, body: dict[str, str], trusted: bool
) -> None:
    if trusted and len(body.get("ca_file", "")) > 1000:
        pytest.skip("it cannot be trusted: no such file can be read")
    project(trusted=trusted, team={"flavor": "vault", **body})
    for argv in (("secret", "list"), ("secret", "where"), ("doctor", "--online")):
        done = mlx(*argv)
        assert done.code in (ExitCode.ok, ExitCode.failed), done.stderr
        assert "unexpected" not in done.stdout + done.stderr


def test_one_provider_that_crashes_leaves_the_listing_of_the_others(
    openbao: OpenBao, project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", openbao.root)
    mount = openbao.mount()
    openbao.put(mount, "db", {"password": "x"})
    body = {"flavor": "vault", "address": openbao.address}
    secrets = project(broken={**body, "mount": "other"}, team={**body, "mount": mount})
    assert secrets.team.chain is not None
    broken = secrets.team.chain.provider(secrets.team.chain.entry("broken"))
    monkeypatch.setattr(broken, "names", lambda: {}["nothing"])
    assert [item.name for item in secrets.list()] == ["db"]
    assert "vault broken: asking it fails unexpectedly (KeyError)" in secrets.team.problems[0].message
    assert len(secrets.stores()) >= 2


def test_an_international_address_is_asked_in_ascii() -> None:
    assert (
        asked_address("https://Bücher.example:8200/ä b%20")
        == "https://xn--bcher-kva.example:8200/%C3%A4%20b%20"
    )
    assert asked_address("http://[::1]:8200/ä") == "http://[::1]:8200/%C3%A4"
    assert same_server("https://bücher.example", "https://xn--bcher-kva.example:443/")
    assert not same_server("https://bücher.example", "https://bucher.example")


def test_a_path_that_is_not_ascii_is_asked_for(project: Write, stranger: Any) -> None:
    stranger.answer = (200, {}, json.dumps(SECRET).encode())
    body = {"flavor": "vault", "address": stranger.address + "/ä", "mount": "mö", "path": "a b"}
    assert project(team=body).reveal("db") == {"password": "S3CR3T"}
    assert stranger.seen[0][0] == "/%C3%A4/v1/m%C3%B6/data/a%20b/db"


@pytest.mark.parametrize("namespace", ["名", "a\nb", "ü"])
def test_a_namespace_of_the_environment_that_no_header_carries_is_named(
    project: Write, stranger: Any, monkeypatch: pytest.MonkeyPatch, namespace: str
) -> None:
    monkeypatch.setenv("VAULT_NAMESPACE", namespace)
    secrets = project(team={"flavor": "vault", "address": stranger.address})
    assert "VAULT_NAMESPACE holds a character" in _error(secrets).message
    assert secrets.list() == [] and secrets.team.problems
    assert stranger.seen == []


@pytest.mark.parametrize("lease", ["1h", None, [], {}, True, "nan", 1e400])
def test_a_strange_time_to_live_of_a_token_is_taken_for_none(
    project: Write, stranger: Any, monkeypatch: pytest.MonkeyPatch, lease: Any
) -> None:
    monkeypatch.setenv("MLX_SECRET_CI__ID", "of-the-user")
    auth = {"auth": {"client_token": "s.made", "lease_duration": lease}}
    stranger.answer = (200, {}, json.dumps({**auth, **SECRET}).encode())
    login = {"auth": "approle", "role_id": "r", "secret_id": "<<ci.id>>", "login_path": "app role?x#"}
    body = {"flavor": "vault", "address": stranger.address, **login}
    assert project(team=body).value("db", "password") == "S3CR3T"
    assert stranger.seen[0][0] == "/v1/auth/app%20role%3Fx%23/login"


@pytest.mark.parametrize("place", ["http://[::1", "/v1/ä", "http://127.0.0.1:99999/", "https://x:y/"])
def test_a_redirect_to_what_is_no_address_is_no_crash(project: Write, stranger: Any, place: str) -> None:
    stranger.answer = (307, {"Location": place}, b"")
    assert _error(project(team={"flavor": "vault", "address": stranger.address}))


def test_a_redirect_to_https_says_to_write_it(project: Write, stranger: Any) -> None:
    target = stranger.address.replace("http://", "https://") + "/v1/secret/data/db"
    stranger.answer = (301, {"Location": target}, b"")
    error = _error(project(team={"flavor": "vault", "address": stranger.address}))
    assert "sends requests on to https://" in error.message
    assert "write https:// into mlx.yaml" in str(error.hint)
    assert len(stranger.seen) == 1


def test_an_answer_that_is_too_large_is_called_so(
    project: Write, stranger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kv2_http, "_LIMIT", 1 << 20)
    stranger.answer = (200, {}, json.dumps({"data": {"data": {"k": "x" * (1 << 20)}}}).encode())
    error = _error(project(team={"flavor": "vault", "address": stranger.address}))
    assert "answers with more than 1 MiB, which is not read" in error.message
    stranger.answer = (200, {}, json.dumps(SECRET).encode().ljust(1 << 20))
    assert project(team={"flavor": "vault", "address": stranger.address}).reveal("db")


def test_a_value_that_is_nested_too_deeply_is_no_crash(project: Write, stranger: Any) -> None:
    deep = "[" * 900 + "1" + "]" * 900
    stranger.answer = (200, {}, b'{"data": {"data": {"k": ' + deep.encode() + b"}}}")
    try:
        assert project(team={"flavor": "vault", "address": stranger.address}).reveal("db") == {"k": deep}
    except StoreUnusableError as error:
        assert "nested too deeply" in error.message or "is it a Vault?" in error.message


def test_a_file_from_a_home_that_is_nobody_s_is_not_there(tmp_path: Path) -> None:
    from mlxkit.secrets.providers.places import file_from

    assert file_from(tmp_path, "~nosuchuser/x") == tmp_path / "~nosuchuser/x"
    assert file_from(tmp_path, "~/x") == Path.home() / "x"
