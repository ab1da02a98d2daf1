"""The index and the stores, kept in step: what was acknowledged is never lost, whatever is killed when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from ..errors import CredentialsError, MlxError, NotFoundError, UsageError, did_you_mean
from . import masking
from .index import Draft, Entry, Index
from .names import check_name, fold, is_name
from .selection import Stores
from .stores.environment import PREFIX
from .stores.protocol import IncompleteEntryError, SecretStore, StoreUnusableError

_read: dict[tuple[str, str], tuple[str, dict[str, str]]] = {}  # what this process has read, by index and name


class Vault:
    """Secrets with their values, one at a time."""

    def __init__(self) -> None:
        self.index = Index()
        self.stores = Stores()

    def find(self, name: str) -> Entry | None:
        """Return the entry of a secret, also of one that only a store knows."""
        return self.index.find(name) or self._adopt(name)

    def values(self, name: str) -> dict[str, str]:
        """Return what the store has, read once a process until it changes."""
        entry = self.index.find(name)
        if entry is None:
            raise self.missing(name)
        cached = _read.get((str(self.index.path), name))
        if cached and cached[0] == entry.revision:
            return cached[1]
        values = None if entry.pending else _quietly(self.stores.named(entry.store, name), name)
        if values is None:  # being written, or gone: look again when nobody is writing
            with self.changing() as change:
                entry, store = change.entry(name)
                values = change.current(name, store)
        for key, value in values.items():
            masking.register(value, key)
        _read[str(self.index.path), name] = entry.revision, values
        return values

    def store_of(self, name: str) -> SecretStore:
        """Return the store that a secret is in."""
        entry = self.find(name)
        if entry is None:
            raise self.unchangeable(name)
        return self.stores.named(entry.store, name)

    @contextmanager
    def changing(self) -> Iterator[Change]:
        """Hold the lock of all secrets for one change."""
        with self.index.editing() as draft:
            yield Change(self, draft)

    def settle(self) -> None:
        """Ask the stores about everything that was left unfinished by a process that was stopped."""
        if any(entry.pending for entry in self.index.read().values()):
            with self.changing() as change:
                change.settle()

    def names(self) -> set[str]:
        """Return the names in the index, and those in the environment that are not in the index."""
        names = set(self.index.read())
        folded = {fold(name) for name in names}
        return names | {name for name in self.stores.environment.names() if fold(name) not in folded}

    def missing(self, name: str, others: Iterable[str] = ()) -> NotFoundError:
        known = {*self.names(), *others}
        return NotFoundError(f"no secret named {name!r}{did_you_mean(name, known)}", hint="mlx secret list")

    def unchangeable(self, name: str) -> MlxError:
        """Say why a secret that is not in the index cannot be changed."""
        if self.stores.environment.keys(name):
            variable = f"{PREFIX}{fold(name)}__..."
            return UsageError(
                f"secret {name!r} comes from the environment ({variable}), which mlx only reads"
            )
        return self.missing(name)

    def _adopt(self, name: str) -> Entry | None:
        """Take up a secret that is in a store and not in the index, as after `keyring set mlx:NAME mlx`."""
        if not is_name(name):
            return None
        for store in self.stores.keeping:
            try:
                values = store.read(name)
            except StoreUnusableError:
                continue
            if values is not None:
                with self.changing() as change:
                    return change.adopt(name, values, store)
        return None


class Change:
    """One change, under the lock: each step is announced in the index, done in the store, confirmed in the index."""

    def __init__(self, vault: Vault, draft: Draft) -> None:
        self._vault = vault
        self._draft = draft

    def entry(self, name: str) -> tuple[Entry, SecretStore]:
        """Return an entry that can be relied on, settling one that was left unfinished."""
        entry = self._draft.entries.get(name)
        if entry is None:
            raise self._vault.unchangeable(name)
        store = self._vault.stores.named(entry.store, name)
        if entry.pending:
            values = store.read(name)
            if values is None:
                self._draft.drop(name)
                raise self._vault.missing(name)
            entry = self._draft.put(name, Entry(tuple(values), entry.store))
        return entry, store

    def current(self, name: str, store: SecretStore) -> dict[str, str]:
        """Return the values, or say that somebody took them away."""
        values = store.read(name)
        if values is None:
            raise CredentialsError(
                f"secret {name!r} is in the index and no longer in the {store.name}: something else removed it there",
                hint=f"mlx secret delete {name}, then mlx secret create {name}",
            )
        return values

    def claim(self, name: str, store: SecretStore, *, apart_from: Iterable[str] = ()) -> None:
        """Make sure that a new secret takes nobody's place, not even that of one that only the store knows."""
        if name not in self._draft.entries:
            values = store.read(name)
            if values is not None:
                self.adopt(name, values, store)
        taken = (
            other
            for other, entry in self._draft.entries.items()
            if other != name or entry.pending != "create"
        )
        check_name(name, set(taken) - set(apart_from))

    def adopt(self, name: str, values: Mapping[str, str], store: SecretStore) -> Entry | None:
        """Put a secret that the store has into the index, unless another one has its place."""
        if fold(name) not in map(fold, self._draft.entries):
            self._draft.put(name, Entry(tuple(values), store.name))
        return self._draft.entries.get(name)

    def write(self, name: str, values: Mapping[str, str], store: SecretStore | None = None) -> None:
        """Write a secret into its store, a new one into `store`; a store that refuses leaves the index as it was."""
        before = self._draft.entries.get(name)
        place = store if store and (before is None or before.pending == "create") else self.entry(name)[1]
        entry = Entry(tuple(values), place.name)
        is_new = before is None or before.pending == "create"
        for key, value in values.items():
            masking.register(value, key)
        self._draft.put(name, replace(entry, pending="create" if is_new else "update"))
        try:
            place.write(name, values)
        except Exception:
            self._draft.restore(name, before)
            raise
        self._draft.put(name, entry)

    def remove(self, name: str) -> None:
        """Take a secret out of its store and the index."""
        entry = self._draft.entries.get(name)
        if entry is None:
            raise self._vault.unchangeable(name)
        store = self._vault.stores.named(entry.store, name)
        self._draft.put(name, replace(entry, pending="delete"))
        try:
            store.delete(name)
        except Exception:
            self._draft.restore(name, entry)
            raise
        self._draft.drop(name)

    def forget(self, name: str) -> None:
        """Take a secret out of the index alone, because its store cannot be asked."""
        self._draft.drop(name)

    def settle(self) -> None:
        for name in [name for name, entry in self._draft.entries.items() if entry.pending]:
            try:
                self.entry(name)
            except (
                NotFoundError,
                StoreUnusableError,
            ):  # it was not written, or the store has to be asked later
                continue


def _quietly(store: SecretStore, name: str) -> dict[str, str] | None:
    try:
        return store.read(name)
    except IncompleteEntryError:
        return None
