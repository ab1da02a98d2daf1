"""Providers of secrets: trusted, and with `--online` each answers and takes our login."""

from __future__ import annotations

from collections.abc import Iterator

from ..config.paths import Project
from ..errors import MlxError
from ..secrets.service import SecretService
from .findings import Finding, failed


def check_providers(project: Project, *, online: bool) -> Iterator[Finding]:
    """Look at every provider that the configuration names."""
    chain = SecretService(project).team.chain
    if chain is None:
        return
    for name in chain.entries:
        title = f"secret provider {name}"
        try:
            provider = chain.trusted(name)
            if not online:
                yield Finding(title, "ok", f"{provider.location} is trusted and was not asked; --online does")
                continue
            chain.probe(provider)
        except MlxError as error:
            yield failed(title, error, fix="mlx secret where")
        else:
            yield Finding(title, "ok", f"{provider.location} answers and takes the login")
