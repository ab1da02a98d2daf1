"""A project with providers: written as a person would write it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlxkit.secrets.providers import chain
from mlxkit.secrets.service import SecretService

Write = Callable[..., SecretService]


@pytest.fixture(autouse=True)
def _no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLX_SECRETS_BACKEND", "env")
    monkeypatch.setattr(chain, "_read", {})


@pytest.fixture
def project(home: Path) -> Write:
    """Write mlx.yaml with these providers, and return the secrets as they are then; trusted unless told otherwise."""

    def write(*, trusted: bool = True, **providers: dict[str, str]) -> SecretService:
        lines = ["version: 1", "secret_providers:"]
        for name, body in providers.items():
            lines.append(f"  {name}:")
            lines += [f'    {key}: "{value}"' for key, value in body.items()]
        Path("mlx.yaml").write_text("\n".join(lines) + "\n")
        secrets = SecretService()
        if trusted:
            from mlxkit.secrets.providers.trust import trust

            assert secrets.team.chain is not None
            for entry in secrets.team.chain.entries.values():
                trust(entry, secrets.team.chain.project)
        return secrets

    return write
