from __future__ import annotations

import subprocess

import pytest

from mlxkit.secrets.children import without_secrets


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
