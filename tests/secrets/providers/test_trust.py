"""A mlx.yaml of somebody else must not get what the user logs in with: no connection, no file read, no reference resolved."""

from __future__ import annotations

import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlxkit.config.paths import user_config_dir, user_data_dir
from mlxkit.errors import CredentialsError, ExitCode
from mlxkit.secrets.providers.chain import NotTrustedError
from mlxkit.secrets.service import SecretService
from mlxkit.secrets.stores.protocol import StoreUnusableError
from tests.conftest import Result
from tests.fixtures.openbao import OpenBao

from .conftest import Write

CANARY = "S3CR3T-behind-trust"
Mlx = Callable[..., Result]


@pytest.fixture
def mount(openbao: OpenBao) -> str:
    mount = openbao.mount()
    openbao.put(mount, "db", {"password": CANARY})
    return mount


@pytest.fixture
def trap(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[socket.socket]:
    """An attacker's address; the user has a token of every kind. The test fails when anybody connects."""
    monkeypatch.setenv("VAULT_TOKEN", "s.of-the-user")
    monkeypatch.setenv("MLX_SECRET_MINE__KEY", "of-the-user")
    (home / ".vault-token").write_text("s.of-the-user")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server
        with pytest.raises(BlockingIOError):
            server.accept()


def _address(trap: socket.socket) -> str:
    return f"http://127.0.0.1:{trap.getsockname()[1]}"


BODIES = [
    {"flavor": "vault"},
    {"flavor": "vault", "token": "<<mine.key>>"},
    {"flavor": "vault", "auth": "approle", "role_id": "r", "secret_id": "<<mine.key>>"},
    {"flavor": "vault", "auth": "jwt", "role": "r", "jwt_file": "/etc/passwd"},
    {"flavor": "vault", "auth": "kubernetes", "role": "r"},
    {"flavor": "aws"},
]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: "-".join(body.values()).replace("/", "_"))
def test_nobody_is_asked_before_the_user_trusts_the_place(
    trap: socket.socket, project: Write, mlx: Mlx, body: dict[str, str]
) -> None:
    key = "endpoint_url" if body["flavor"] == "aws" else "address"
    secrets = project(trusted=False, evil={**body, key: _address(trap)})
    for ask in (
        lambda: secrets.reveal("db"), lambda: secrets.get("db"), lambda: secrets.lookup("db"),
        lambda: secrets.resolve({"x": "<<db.password>>"}), lambda: secrets.delete("db"),
        lambda: secrets.export(["db"]), lambda: secrets.where("db"),
    ):  # fmt: skip
        with pytest.raises(NotTrustedError, match="is not trusted yet") as caught:
            ask()
        assert caught.value.hint == "mlx secret trust evil, if it is yours"
    assert secrets.list()[0].name == "mine"
    assert not secrets.stores()[-1].is_usable
    for argv in (
        ["secret", "list"],
        ["secret", "where"],
        ["stack", "list"],
        ["stack", "validate"],
        ["status"],
    ):
        assert mlx(*argv).code in (ExitCode.ok, ExitCode.failed)
    assert "mlx secret trust evil" in mlx("secret", "list").stderr
    assert mlx("secret", "get", "db").code == ExitCode.credentials
    found = mlx("doctor", "--online")
    assert "secret provider evil" in found.stdout and "mlx secret trust evil" in found.stdout


@pytest.mark.parametrize(
    "change",
    [
        {"path": "other"}, {"mount": "other"}, {"namespace": "n"}, {"token": "<<mine.key>>"}, {"address": "http://127.0.0.1:9"},
        {"ca_file": "ca.pem"},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_any_change_has_to_be_trusted_again(
    trap: socket.socket, project: Write, change: dict[str, str]
) -> None:
    before = {"flavor": "vault", "address": _address(trap)}
    project(team=before)
    with pytest.raises(NotTrustedError):
        project(trusted=False, team={**before, **change}).reveal("db")


def test_another_certificate_authority_in_the_same_file_has_to_be_trusted_again(
    openbao_tls: OpenBao, project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    mount = openbao_tls.mount()
    openbao_tls.put(mount, "db", {"password": CANARY})
    monkeypatch.setenv("VAULT_TOKEN", openbao_tls.root)
    Path("ca.pem").write_bytes(Path(str(openbao_tls.ca)).read_bytes())
    body = {"flavor": "vault", "address": openbao_tls.address, "mount": mount, "ca_file": "ca.pem"}
    assert project(team=body).value("db", "password") == CANARY
    Path("ca.pem").write_text("somebody else's")
    with pytest.raises(NotTrustedError):
        project(trusted=False, team=body).resolve({"x": "<<none.k>>"})


def test_vault_addr_names_the_place_and_only_exactly_that(
    openbao: OpenBao, mount: str, project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", openbao.root)
    body = {"flavor": "vault", "address": openbao.address, "mount": mount}
    monkeypatch.setenv("VAULT_ADDR", openbao.address.upper().replace("HTTP", "http") + "/")
    assert project(trusted=False, team=body).value("db", "password") == CANARY
    without = {"flavor": "vault", "mount": mount}
    assert project(trusted=False, team=without).lookup("none") is None
    for address in (
        openbao.address.replace("127.0.0.1", "localhost"), openbao.address.replace("http:", "https:"),
        openbao.address.rpartition(":")[0] + ":1", openbao.address + "/proxy", openbao.address.replace("127.0.0.1", "127.0.0.1.evil.test"),
    ):  # fmt: skip
        with pytest.raises(NotTrustedError):
            project(trusted=False, team={**body, "address": address}).lookup("none")
    for more in ({"namespace": "theirs"}, {"ca_file": "theirs.pem"}):
        with pytest.raises(NotTrustedError):
            project(trusted=False, team={**body, **more}).lookup("none")


def test_vault_addr_trusts_no_login_but_that_of_the_tools(
    trap: socket.socket, home: Path, project: Write, mlx: Mlx, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "private").write_text(CANARY)
    monkeypatch.setenv("VAULT_ADDR", _address(trap))
    for login in (
        {"auth": "jwt", "role": "r", "jwt_file": "~/private"}, {"auth": "jwt", "role": "r", "jwt": "<<mine.key>>"},
        {"auth": "approle", "role_id": "r", "secret_id": "<<mine.key>>"}, {"auth": "kubernetes", "role": "r"},
        {"token": "<<mine.key>>"}, {"auth": "token", "token": "<<mine.key>>"}, {"login_path": "sys"},
    ):  # fmt: skip
        for place in ({}, {"address": _address(trap)}):
            with pytest.raises(NotTrustedError):
                project(trusted=False, team={"flavor": "vault", **place, **login}).reveal("db")
            assert "mlx secret trust team" in mlx("secret", "list").stderr


def test_the_token_of_another_server_is_not_sent_to_a_trusted_one(
    trap: socket.socket, project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("VAULT_ADDR", "BAO_ADDR"):
        monkeypatch.setenv(variable, "https://vault.example.com:8200")
        with pytest.raises(StoreUnusableError, match="names another server"):
            project(team={"flavor": "vault", "address": _address(trap)}).reveal("db")
        monkeypatch.delenv(variable)


def test_the_user_s_own_file_needs_no_trust(
    openbao: OpenBao, mount: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", openbao.root)
    own = user_config_dir()
    own.mkdir(parents=True)
    text = f"secret_providers:\n  team: {{flavor: vault, address: '{openbao.address}', mount: {mount}}}\n"
    (own / "mlx.yaml").write_text(text)
    assert SecretService().value("db", "password") == CANARY
    monkeypatch.setenv("MLX_CONFIG", str(own / "mlx.yaml"))  # named is not the same as one's own
    with pytest.raises(NotTrustedError):
        SecretService().lookup("none")


def test_a_fingerprint_in_the_environment_trusts_one_entry_as_it_stands(
    openbao: OpenBao, mount: str, project: Write, mlx: Mlx, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", openbao.root)
    body = {"flavor": "vault", "address": openbao.address, "mount": mount}
    project(trusted=False, team=body)
    printed = mlx("secret", "trust", "team", "--fingerprint").stdout.strip()
    assert len(printed) == 40
    monkeypatch.setenv("MLX_TRUSTED_PROVIDERS", f"{'0' * 40}, {printed}")
    assert SecretService().value("db", "password") == CANARY
    with pytest.raises(NotTrustedError):
        project(trusted=False, team={**body, "path": "elsewhere"}).lookup("none")


def test_the_command_says_what_is_sent_where_and_asks(
    openbao: OpenBao, mount: str, project: Write, mlx: Mlx, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", openbao.root)
    project(trusted=False, team={"flavor": "vault", "address": openbao.address, "mount": mount})
    refused = mlx("secret", "trust", "team")
    assert refused.code == ExitCode.usage and "--yes" in refused.stderr
    assert mlx("secret", "get", "db").code == ExitCode.credentials
    said = mlx("secret", "trust", "--yes").stderr
    assert f"team (vault {openbao.address} {mount}) is trusted" in said
    assert "your Vault token" in said
    assert mlx("secret", "get", "db", "password", "--reveal").stdout == CANARY + "\n"
    file = user_data_dir() / "trusted-providers.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert mlx("secret", "trust", "team", "--revoke").code == ExitCode.ok
    assert mlx("secret", "get", "db").code == ExitCode.credentials
    assert "was not trusted" in mlx("secret", "trust", "team", "--revoke").stderr


def test_names_that_are_none_are_told(project: Write, mlx: Mlx) -> None:
    assert "names no provider" in mlx("secret", "trust", "team").stderr
    project(trusted=False, team={"flavor": "vault"}, lake={"flavor": "aws"})
    assert "which one? There are team, lake" in mlx("secret", "trust").stderr
    missing = mlx("secret", "trust", "taem", "--yes")
    assert missing.code == ExitCode.not_found and "did you mean 'team'" in missing.stderr


def test_a_broken_file_of_trust_trusts_nobody(trap: socket.socket, project: Write) -> None:
    secrets = project(team={"flavor": "vault", "address": _address(trap)})
    (user_data_dir() / "trusted-providers.json").write_text("{")
    with pytest.raises(Exception, match="not what mlx wrote"):
        secrets.reveal("db")


def test_without_an_address_anywhere_it_says_so(project: Write) -> None:
    with pytest.raises(CredentialsError, match="names no address"):
        project(team={"flavor": "vault"}).reveal("db")
