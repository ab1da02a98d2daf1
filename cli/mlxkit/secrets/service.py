"""What can be done with secrets; the door for the command line and for Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace as with_changes
from typing import TYPE_CHECKING

from ..errors import AlreadyExistsError, NotFoundError, UsageError, did_you_mean
from .index import Entry
from .names import check_name, check_values, fold, is_name
from .reading import LayeredValues, all_keys
from .records import UNFINISHED, PlaceRecord, RevealedSecret, SecretListing, StoreRecord
from .stores.protocol import StoreUnusableError
from .team import TeamSecrets
from .vault import Vault

if TYPE_CHECKING:
    from ..config.paths import Project
    from .value import SecretValue

Values = Mapping[str, str]
Listings = list[SecretListing]
Names = list[str]
Places = list[PlaceRecord]
StoreRecords = list[StoreRecord]


class SecretService:
    """Create, read and change the secrets of this user, and read those of a team that a mlx.yaml names providers of."""

    def __init__(self, project: Project | None = None) -> None:
        self._vault = Vault()
        self._given = self._vault.stores.environment
        self.team = TeamSecrets(project, self._kept_here)
        self.passed_over: list[StoreUnusableError] = []  # why the last new secret is not in the first store

    def list(self) -> Listings:
        """Return every secret there is, from the index, the environment and the providers.

        Those of a provider come without their keys; `team.problems` says which ones could not be asked.
        """
        return self.team.joined(self.kept())

    def kept(self) -> Listings:
        """Return the secrets of this machine, from the index and the environment alone."""
        entries = self._vault.index.read()
        return [self._listing(name, entries.get(name)) for name in sorted(self._vault.names())]

    def names(self) -> Names:
        """Return the names of all secrets."""
        return sorted(self._vault.names())

    def get(self, name: str) -> SecretListing:
        """Return one secret without its values."""
        entry = self._entry(name)
        given = self._given.keys(name)
        if entry is not None:
            return self._listing(name, entry)
        if given:
            return self.team.completed(self._listing(name, None))
        found = self.team.find(name) if is_name(name) else None
        if found is None:
            raise self._missing(name)
        return SecretListing(name, tuple(found.values), found.provider.name)

    def lookup(self, name: str) -> Values | None:
        """Return the values of a secret, read when they are asked for, or None when there is no such secret."""
        found = self._kept_here(name)
        if found is None and is_name(name):
            held = self.team.find(name)
            return LayeredValues(name, tuple(held.values), self._given, lambda: held.values) if held else None
        if found is not None and self._entry(name) is None:  # the environment gives some of its keys
            return LayeredValues(name, (), self._given, lambda: self.team.values(name))
        return found

    def reveal(self, name: str) -> dict[str, str]:
        """Return the values of a secret, the environment's before the store's."""
        values = self.lookup(name)
        if values is None:
            raise self._missing(name)
        return {key: values[key] for key in self.get(name).keys}

    def revealed(self, name: str) -> RevealedSecret:
        """Return one secret with its values."""
        values = self.reveal(name)
        listing = self.get(name)
        return RevealedSecret(
            name, tuple(values), listing.store, listing.from_environment, listing.state, values=values
        )

    def value(self, name: str, key: str) -> str:
        """Return one value."""
        values = self.lookup(name)
        if values is None:
            raise self._missing(name)
        value = values.get(key)
        if value is None:
            raise _no_key(name, key, values)
        return value

    def get_key(self, name: str, key: str) -> SecretListing:
        """Return one key of a secret without its value."""
        listing = self.get(name)
        given = tuple(other for other in listing.from_environment if fold(other) == fold(key))
        if key not in listing.keys:
            raise _no_key(name, key, listing.keys)
        return with_changes(listing, keys=(key,), from_environment=given)

    def revealed_key(self, name: str, key: str) -> RevealedSecret:
        """Return one key of a secret with its value."""
        values = {key: self.value(name, key)}
        listing = self.get_key(name, key)
        return RevealedSecret(
            name, (key,), listing.store, listing.from_environment, listing.state, values=values
        )

    def resolve(self, fields: Values) -> dict[str, SecretValue | str]:
        """Replace the references in every field; everything that is missing is in one error."""
        from . import references

        return references.resolve(fields, self.lookup, names=lambda: {*self.names(), *self.team.names()})

    def create(self, name: str, values: Values, *, allow_empty: bool = False) -> SecretListing:
        """Store a new secret in the first store that works."""
        check_name(name)
        _check_new(name, values, allow_empty=allow_empty)
        store, self.passed_over = self._vault.stores.for_new()
        with self._vault.changing() as change:
            change.claim(name, store)
            change.write(name, values, store)
        return self.get(name)

    def update(
        self, name: str, values: Values, *, remove: Iterable[str] = (), allow_empty: bool = False
    ) -> SecretListing:
        """Set and remove keys of a secret; the other keys stay."""
        gone = list(dict.fromkeys(remove))
        if not values and not gone:
            raise UsageError(f"nothing to change in secret {name!r}", hint=f"mlx secret update {name} --KEY")
        check_values(values, allow_empty=allow_empty)
        self.check_ours(name)
        self._vault.store_of(name).open()  # outside the lock: it may wait for a person
        with self._vault.changing() as change:
            entry, store = change.entry(name)
            changed = {**change.current(name, store), **values}
            for key in gone:
                if key not in changed or key in values:
                    raise _no_key(name, key, entry.keys)
                del changed[key]
            if not changed:
                raise UsageError(
                    f"secret {name!r} would be left without a key", hint=f"mlx secret delete {name}"
                )
            change.write(name, changed)
        return self.get(name)

    def rename(self, old: str, new: str, *, with_references: bool = False) -> SecretListing:
        """Give a secret another name; the references to the old one stay as they are, or follow."""
        from . import usage

        check_name(new)
        if with_references:
            usage.check_readable()
        if old.lower() == new.lower():
            raise UsageError(
                f"{new!r} is {old!r} but for upper and lower case, which not every keyring can tell apart"
            )
        self.check_ours(old)
        self._vault.store_of(old).open()
        with self._vault.changing() as change:
            store = change.entry(old)[1]
            values = change.current(old, store)
            change.claim(new, store, apart_from=[old])
            change.write(new, values, store)
            change.remove(old)
        if with_references:
            usage.rewrite(old, new)
        return self.get(new)

    def delete(self, name: str, *, force: bool = False) -> None:
        """Delete a secret; with `force` forget it even when its store cannot be asked."""
        self.check_ours(name)
        with self._vault.changing() as change:
            try:
                change.remove(name)
            except StoreUnusableError:
                if not force:
                    raise
                change.forget(name)

    def check_ours(self, name: str) -> None:
        """Raise unless a secret is of this machine; one that only a provider has is changed there."""
        if self._entry(name) is None and not self._given.keys(name):
            found = self.team.find(name) if is_name(name) else None
            raise found.provider.read_only(name) if found else self._missing(name)

    def used_by(self, name: str) -> Names:
        """Return the attributes of components that refer to a secret."""
        from .usage import users_of

        return users_of(name)

    def import_(self, secrets: Mapping[str, Values], *, replace: bool = False) -> Listings:
        """Store many secrets; unless it is to `replace` them, nothing is stored when one of them exists."""
        folded: dict[str, str] = {}
        for name, values in secrets.items():
            check_name(name, folded.values())
            _check_new(name, values, allow_empty=True)
            folded[fold(name)] = name
        present = self._vault.index.read()
        known = [name for name in secrets if name in present]
        if known and not replace:
            raise AlreadyExistsError(f"already there: {', '.join(known)}", hint="--force replaces them")
        store, self.passed_over = self._vault.stores.for_new()
        with self._vault.changing() as change:
            for name in secrets:
                change.claim(name, store, apart_from=secrets if replace else ())
            for name, values in secrets.items():
                change.write(name, values, store)
        return [self.get(name) for name in secrets]

    def export(self, names: Iterable[str] = ()) -> dict[str, dict[str, str]]:
        """Return the values that are stored, of all secrets here or of those named; not what the environment gives."""
        entries = self._vault.index.read()
        wanted = tuple(names) or sorted(entries)
        return {
            name: dict(self._vault.values(name) if name in entries else self._of_team(name))
            for name in wanted
        }

    def stores(self) -> StoreRecords:
        """Return every store, whether it can be used, and what is in it; settles what was left unfinished."""
        from .overview import all_stores

        return all_stores(self._vault, self.team)

    def where(self, name: str) -> Places:
        """Return the stores that hold a secret, in the order in which they are asked."""
        entry = self._entry(name)
        places = []
        given = self._given.keys(name)
        if given:
            places.append(PlaceRecord(self._given.name, name, given, self._given.location))
        if entry is not None:
            values, store = self._vault.values(name), self._vault.store_of(name)
            places.append(PlaceRecord(store.name, name, tuple(values), store.location))
        places += self.team.places(name, hidden_by=places[-1].name if entry is not None else "")
        if not places:
            raise self.team.problems[0] if self.team.problems else self._missing(name)
        return places

    def _entry(self, name: str) -> Entry | None:
        """Return the entry of a secret in a store here, also of one that only the store knows."""
        entry = self._vault.index.find(name)
        return entry if entry is not None or self._given.keys(name) else self._vault.find(name)

    def _kept_here(self, name: str) -> Values | None:
        """Return the values that the environment and the stores of this machine have."""
        if not is_name(name):
            return None
        entry = self._entry(name)
        if entry is None and not self._given.keys(name):
            return None
        stored = (lambda: self._vault.values(name)) if entry else dict
        return LayeredValues(name, entry.keys if entry else (), self._given, stored)

    def _of_team(self, name: str) -> Values:
        found = self.team.find(name) if is_name(name) else None
        if found is None:
            raise self._missing(name)
        return found.values

    def _missing(self, name: str) -> NotFoundError:
        return self._vault.missing(name, self.team.names())

    def _listing(self, name: str, entry: Entry | None) -> SecretListing:
        given = self._given.keys(name)
        if entry is None:
            return SecretListing(name, given, self._given.name, given)
        state = UNFINISHED if entry.pending else ""
        return SecretListing(name, all_keys(entry.keys, given), entry.store, given, state)


def _check_new(name: str, values: Values, *, allow_empty: bool) -> None:
    if not values:
        raise UsageError(f"secret {name!r} needs at least one key", hint=f"mlx secret create {name} --KEY")
    check_values(values, allow_empty=allow_empty)


def _no_key(name: str, key: str, keys: Iterable[str]) -> NotFoundError:
    return NotFoundError(
        f"secret {name!r} has no key {key!r}{did_you_mean(key, keys)}", hint=f"mlx secret get {name}"
    )
