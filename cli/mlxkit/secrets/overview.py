"""`mlx secret where`: every store and provider, whether it can be used, and what is in it."""

from __future__ import annotations

from collections.abc import Iterable

from .records import StoreRecord
from .stores.protocol import SecretStore, StoreUnusableError
from .team import TeamSecrets
from .vault import Vault


def all_stores(vault: Vault, team: TeamSecrets) -> list[StoreRecord]:
    """Return the stores in the order in which they are asked; settles what was left unfinished."""
    given = vault.stores.environment
    vault.settle()
    entries = vault.index.read()
    held: dict[str, list[str]] = {}
    for name, entry in sorted(entries.items()):
        held.setdefault(entry.store, []).append(name)
    problem = _problem(given)
    records = [_store(given, problem, note=problem or "read first, never written", held=given.names())]
    for store in vault.stores.keeping:
        problem = _problem(store)
        is_default = not problem and not any(record.is_default for record in records)
        records.append(
            _store(store, problem, is_default=is_default, note=problem, held=held.pop(store.name, ()))
        )
    for name, secrets in sorted(held.items()):
        records.append(
            StoreRecord(name, False, False, "left out by the present settings", "", tuple(secrets))
        )
    return records + team.records()


def _problem(store: SecretStore) -> str:
    try:
        store.open()
    except StoreUnusableError as problem:
        return problem.reason
    return ""


def _store(
    store: SecretStore, problem: str, *, note: str, held: Iterable[str], is_default: bool = False
) -> StoreRecord:
    return StoreRecord(store.name, not problem, is_default, note, store.location, tuple(sorted(held)))
