from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from mlxkit.config.paths import find_project
from mlxkit.secrets.children import with_secrets_of, without_secrets
from mlxkit.secrets.providers import chain
from mlxkit.secrets.providers.trust import trust
from mlxkit.secrets.references import Reference
from mlxkit.secrets.service import SecretService
from tests.fixtures.openbao import OpenBao


def test_a_child_gets_everything_but_secrets_and_what_unlocks_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "MLX_SECRET_DB__PASSWORD",
        "MLX_KEYRING_PASSWORD",
        "MLX_KEYRING_PASSWORD_FILE",
        "MLX_KEYRING_KEY_FILE",
    ):
        monkeypatch.setenv(name, "S3CR3T")
    monkeypatch.setenv("MLX_STACK", "team")
    shown = subprocess.run(["env"], env=without_secrets(), capture_output=True, text=True, check=True).stdout
    assert "S3CR3T" not in shown
    assert "MLX_STACK=team" in shown
    assert "PATH=" in shown


def test_the_logins_of_other_tools_are_the_user_s_and_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VAULT_TOKEN", "BAO_TOKEN", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "theirs")
        assert without_secrets()[name] == "theirs"


def _asked(openbao: OpenBao, *logins: str) -> SecretService:
    """Write providers that log in with these tokens, each of them trusted; only the last one has the secret `db`."""
    lines = ["version: 1", "secret_providers:"]
    for number, login in enumerate(logins):
        mount = openbao.mount()
        if number == len(logins) - 2:
            openbao.put(mount, "db", {"password": "S3CR3T"})
        place = f"address: '{openbao.address}', mount: {mount}"
        lines.append(f"  p{number}: {{flavor: vault, {place}, token: '<<{login}.token>>'}}")
    Path("mlx.yaml").write_text("\n".join(lines) + "\n")
    secrets = SecretService(find_project())
    assert secrets.team.chain is not None
    for entry in secrets.team.chain.entries.values():
        trust(entry, secrets.team.chain.project)
    return secrets


def test_a_child_gets_what_a_provider_logs_in_with_and_no_other_secret(
    openbao: OpenBao, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "_read", {})
    monkeypatch.setenv("MLX_SECRETS_BACKEND", "env")
    monkeypatch.setenv("MLX_KEYRING_PASSWORD", "pw")
    monkeypatch.setenv("MLX_SECRET_OTHER__TOKEN", "of-another")
    for name in ("FIRST", "SECOND", "THIRD"):
        monkeypatch.setenv(f"MLX_SECRET_{name}__TOKEN", openbao.root)
    secrets = _asked(openbao, "first", "second", "third")  # the third is not asked
    given = with_secrets_of([Reference("db", "password")], secrets, os.environ)
    assert {name for name in given if name.startswith(("MLX_SECRET_", "MLX_KEYRING"))} == {
        "MLX_SECRET_FIRST__TOKEN",
        "MLX_SECRET_SECOND__TOKEN",
    }
    monkeypatch.setenv("MLX_SECRET_DB__USER", "ada")  # one key from here and one from there
    given = with_secrets_of([Reference("db", "password")], secrets, os.environ)
    assert "MLX_SECRET_SECOND__TOKEN" in given and "MLX_SECRET_DB__USER" not in given
    given = with_secrets_of([Reference("db", "user")], secrets, os.environ)
    assert "MLX_SECRET_DB__USER" in given and "MLX_SECRET_SECOND__TOKEN" not in given


def test_a_child_gets_what_unlocks_the_store_of_a_provider_s_login(
    openbao: OpenBao, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "_read", {})
    (tmp_path / "password").write_text("pw")
    (tmp_path / "password").chmod(0o600)
    monkeypatch.setenv("MLX_KEYRING_PASSWORD_FILE", str(tmp_path / "password"))
    monkeypatch.setenv("MLX_SECRETS_BACKEND", "file")
    for name in ("mine", "unused"):
        SecretService().create(name, {"token": openbao.root})
    secrets = _asked(openbao, "mine", "unused")
    assert secrets.value("db", "password") == "S3CR3T"
    given = with_secrets_of([Reference("db", "password")], secrets, os.environ)
    assert given["MLX_KEYRING_PASSWORD_FILE"] == str(tmp_path / "password")
