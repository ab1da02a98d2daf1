"""Secrets of a team, as `SecretService` sees them: after those of this machine, and only where mlx.yaml names providers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from ..config.paths import Project, find_project
from ..config.regular import read_regular_file
from ..dataclass import dataclass
from ..errors import MlxError
from .names import fold
from .reading import all_keys
from .records import PlaceRecord, SecretListing, StoreRecord

if TYPE_CHECKING:
    from .providers.chain import ProviderChain
    from .providers.protocol import Provider
    from .references import Reference

_SECTION = b"secret_providers"


@dataclass(frozen=True)
class Found:
    """A secret with its values, and who has it."""

    provider: Provider
    values: Mapping[str, str]


class TeamSecrets:
    """The providers of one project; without any it reads one file and imports nothing."""

    def __init__(self, project: Project | None, local: Callable[[str], Mapping[str, str] | None]) -> None:
        self._given = project
        self._local = local
        self.problems: list[MlxError] = []  # why some could not be asked, of the last question about all

    @cached_property
    def chain(self) -> ProviderChain | None:
        """The providers; None where the configuration does not speak of any, which is known before it is parsed."""
        project = self._given or find_project()
        data = read_regular_file(project.config_path, project.shown)
        if data is None or _SECTION not in data:
            return None
        from .providers.chain import ProviderChain

        return ProviderChain(project, data, self._local)

    @property
    def notes(self) -> list[str]:
        """What the providers left out of what was read and listed so far; nobody is asked for it."""
        return self.chain.notes() if "chain" in self.__dict__ and self.chain else []

    def logins(self, provider: str) -> list[Reference]:
        """Return the references that this provider and those that are asked before it log in with."""
        from .references import find

        found: list[Reference] = []
        for entry in self.chain.entries.values() if self.chain else ():
            found += [reference for text in entry.attributes.values() for reference in find(text)]
            if self.chain and self.chain.provider(entry).name == provider:
                return found
        return []

    def find(self, name: str) -> Found | None:
        """Return a secret of the first provider that has it; one that cannot be asked ends the search with an error."""
        return self.chain.find(name) if self.chain else None

    def values(self, name: str) -> Mapping[str, str]:
        """Return the values of a secret, none when no provider has it."""
        found = self.find(name)
        return found.values if found else {}

    def names(self) -> set[str]:
        """Return the names that the providers let us list."""
        return {listing.name for listing in self.joined([])}

    def joined(self, listings: list[SecretListing]) -> list[SecretListing]:
        """Return the secrets of this machine with those of the providers, and note who could not be asked.

        A name that is there already keeps its place, and says where else it is.
        """
        self.problems = []
        try:
            held = self.chain.held() if self.chain else []
        except MlxError as problem:
            self.problems.append(problem)
            return listings
        found = {fold(listing.name): listing for listing in listings}
        for place in held:
            if place.problem is not None:
                self.problems.append(place.problem)
            for name in place.names:
                before = found.get(fold(name))
                found[fold(name)] = (
                    SecretListing(name, (), place.provider.name)
                    if before is None
                    else replace(before, also_in=(*before.also_in, place.provider.name))
                )
        return sorted(found.values(), key=lambda listing: listing.name)

    def completed(self, listing: SecretListing) -> SecretListing:
        """Return a secret that the environment gives with the keys that a provider has beside those."""
        try:
            found = self.find(listing.name)
        except MlxError as problem:
            self.problems = [problem]
            return listing
        if found is None:
            return listing
        keys = all_keys(tuple(found.values), listing.from_environment)
        return replace(listing, keys=keys, also_in=(found.provider.name,))

    def records(self) -> list[StoreRecord]:
        """Return every provider as a store: whether it can be used, and what is in it."""
        if self.chain is None:
            return []
        from .providers.chain import NotTrustedError
        from .providers.protocol import NotListableError

        records = []
        for place in self.chain.held():
            problem, provider = place.problem, place.provider
            note = "read only, asked after the stores of this machine"
            if isinstance(problem, NotTrustedError):
                note = f"not trusted yet: mlx secret trust {provider.entry_name}"
            elif problem is not None:
                note = problem.message.removeprefix(f"{provider.name}: ")
            is_usable = problem is None or isinstance(problem, NotListableError)
            records.append(StoreRecord(provider.name, is_usable, False, note, provider.location, place.names))
        return records

    def places(self, name: str, *, hidden_by: str) -> list[PlaceRecord]:
        """Return every provider that has a secret; the first counts, unless a store of this machine hides them all."""
        self.problems = []
        places: list[PlaceRecord] = []
        chain = self.chain
        if chain is None:
            return places
        for entry in chain.entries:
            try:
                provider = chain.trusted(entry)
                values = chain.read(provider, name)
            except MlxError as problem:
                self.problems.append(problem)
                hidden_by = hidden_by or f"{entry}, which cannot be asked,"
                continue
            if values is not None:
                note = f"not used: {hidden_by} comes first" if hidden_by else ""
                places.append(PlaceRecord(provider.name, name, tuple(values), provider.location, note))
                hidden_by = hidden_by or provider.name
        return places
