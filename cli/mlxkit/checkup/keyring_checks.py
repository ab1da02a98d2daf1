"""Secrets: a store takes a value, gives it back and forgets it, and every reference stands for something."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ..config.model import ComponentEntry, Config, ProviderEntry
from ..config.paths import Project
from ..errors import CredentialsError
from ..secrets.references import find
from ..secrets.selection import Stores
from ..secrets.stores.environment import EnvironmentStore
from ..secrets.stores.master_key import NAME
from ..secrets.stores.protocol import SecretStore, StoreUnusableError
from ..stacks.attributes import has_marks, texts
from ..stacks.credentials import missing_secrets
from .findings import Finding, failed


def check_secrets(config: Config | None, project: Project, *, online: bool = False) -> Iterator[Finding]:
    """Probe the store that a new secret would go to, look at the providers, and hold the references against all."""
    stores = Stores()
    is_needed = config is None or _needs_a_store(config, stores.environment)
    try:
        store, passed_over = stores.for_new()
    except CredentialsError as error:
        lines = error.message.partition("\nThree ways")[0].splitlines()
        said = "; ".join(line.strip() for line in lines)
        yield Finding("keyring", "fail" if is_needed else "warn", said, error.hint or "mlx secret where")
    else:
        for problem in passed_over:
            yield Finding("keyring", "warn", problem.message, problem.hint or "mlx secret where")
        yield _probed(store)
    if config is not None:
        if config.secret_providers:
            from .provider_checks import check_providers

            yield from check_providers(project, online=online)
        yield from _references(config, online=online)


def _probed(store: SecretStore) -> Finding:
    """Write, read and delete an entry of our own; whatever happens it is not left behind."""
    if store.name == NAME and not Path(store.location).exists():
        return Finding("keyring", "ok", f"{store.name} {store.location} would be made for the first secret")
    name, value = f"doctor-{os.urandom(6).hex()}", os.urandom(12).hex()
    try:
        try:
            store.write(name, {"probe": value})
            given = store.read(name)
        finally:
            is_gone = store.delete(name)
    except StoreUnusableError as error:
        return failed("keyring", error, fix="mlx secret where")
    if given != {"probe": value} or not is_gone or store.read(name) is not None:
        return Finding(
            "keyring",
            "fail",
            f"{store.name} ({store.location}) does not keep what it is given",
            "mlx secret where",
        )
    return Finding("keyring", "ok", f"{store.name} ({store.location}) keeps, gives back and deletes")


def _references(config: Config, *, online: bool) -> Iterator[Finding]:
    missing = [
        warning for entry in _entries(config) for warning in missing_secrets(entry.attributes, ask=online)
    ]
    for warning in dict.fromkeys(missing):
        said, _, fix = warning.rpartition(": ")
        yield Finding("references", "fail", said, fix)
    if not missing:
        asked = ", as far as the providers could be asked" if config.secret_providers else ""
        yield Finding("references", "ok", f"every reference stands for a secret{asked}")


def _needs_a_store(config: Config, given: EnvironmentStore) -> bool:
    """Say whether a reference stands for a value that neither the environment gives, as in CI, nor perhaps a provider."""
    if config.secret_providers:
        return False
    found = (text for entry in _entries(config) for _, text in texts(entry.attributes) if has_marks(text))
    return any(not given.value(item.secret, item.key) for text in found for item in find(text))


def _entries(config: Config) -> Iterator[ComponentEntry | ProviderEntry]:
    for components in config.components.values():
        yield from components.values()
    yield from config.secret_providers.values()
