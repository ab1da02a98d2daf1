"""The providers of one mlx.yaml in the order in which they stand there: the first that has a name gives the secret.

They come after the environment and the stores of this machine. One that cannot be asked ends the search with what is
wrong: to go on to the next one would give another secret of the same name on the day when a server is down.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TypeVar

from ...config.document import parse_config
from ...config.model import ProviderEntry
from ...config.paths import Project
from ...dataclass import dataclass
from ...errors import CredentialsError, MlxError, NotFoundError, did_you_mean
from .. import masking
from ..stores.deadline import within
from ..stores.protocol import StoreUnusableError
from ..team import Found
from .protocol import LIST_PATIENCE, READ_PATIENCE, Provider
from .trust import why_trusted

Local = Callable[[str], "Mapping[str, str] | None"]
Result = TypeVar("Result")

_KEPT = 60.0  # seconds for which a value that was read is taken for the present one, in memory
_read: dict[tuple[str, str], tuple[float, dict[str, str], str]] = {}  # with the note on what is left out


class NotTrustedError(CredentialsError):
    """A provider that this user has not said to be the right place."""


@dataclass(frozen=True)
class Held:
    """A provider with the names that are in it, or with why they are not known."""

    provider: Provider
    names: tuple[str, ...] = ()
    problem: MlxError | None = None


class ProviderChain:
    """All providers of one configuration; nothing is read for one and nobody asked before it is trusted."""

    def __init__(self, project: Project, data: bytes, local: Local) -> None:
        self.project = project
        self._data = data
        self._local = local
        self._made: dict[str, Provider] = {}

    @cached_property
    def entries(self) -> Mapping[str, ProviderEntry]:
        """The entries by name, in the order of the file."""
        return parse_config(self._data, self.project).secret_providers

    def entry(self, name: str) -> ProviderEntry:
        """Return one entry by its name."""
        entries = self.entries
        if name not in entries:
            raise NotFoundError(
                f"{self.project.shown} has no provider of secrets named {name!r}{did_you_mean(name, entries)}",
                hint="mlx secret where",
            )
        return entries[name]

    def find(self, secret: str) -> Found | None:
        """Return the first provider that has a secret, with the values."""
        for name in self.entries:
            provider = self.trusted(name)
            values = self.read(provider, secret)
            if values is not None:
                return Found(provider, values)
        return None

    def trusted(self, name: str) -> Provider:
        """Return a provider that may be asked."""
        entry = self.entry(name)
        provider = self.provider(entry)
        if not why_trusted(entry, self.project):
            raise NotTrustedError(
                f"the provider {name!r} of {self.project.shown}:{entry.line} ({provider.location}) is not trusted yet: "
                "it would get what you log in with",
                hint=f"mlx secret trust {name}, if it is yours",
            )
        return provider

    def read(self, provider: Provider, secret: str) -> dict[str, str] | None:
        """Read a secret; every value is masked from now on."""
        place = (f"{provider.name} {provider.identity}", secret)
        kept = _read.get(place)
        if kept and time.monotonic() - kept[0] < _KEPT:
            values: dict[str, str] | None = kept[1]
            if kept[2]:
                provider.notes[secret] = kept[2]
        else:
            values = _in_time(provider, READ_PATIENCE, lambda: provider.read(secret))
            if values is not None:
                _read[place] = time.monotonic(), values, provider.notes.get(secret, "")
        for key, value in (values or {}).items():
            masking.register(value, key)
        return values

    def held(self) -> list[Held]:
        """Return every provider with its names; one that cannot say them does not keep the others from it."""
        found = []
        for name, entry in self.entries.items():
            provider = self.provider(entry)
            try:
                asked = self.trusted(name)
                names = _in_time(asked, LIST_PATIENCE, asked.names)
            except MlxError as problem:
                found.append(Held(provider, (), problem))
            except Exception as crash:  # what goes wrong in one of them is not the others' trouble
                told = provider.unusable(f"asking it fails unexpectedly ({type(crash).__name__})")
                told.__cause__ = crash
                found.append(Held(provider, (), told))
            else:
                found.append(Held(provider, tuple(names)))
        return found

    def notes(self) -> list[str]:
        """Return what the providers left out of what was read and listed so far."""
        return [
            f"{provider.name}: {note}" for provider in self._made.values() for note in provider.notes.values()
        ]

    def probe(self, provider: Provider) -> None:
        """Make sure that a provider answers and takes our login."""
        _in_time(provider, READ_PATIENCE, provider.open)

    def provider(self, entry: ProviderEntry) -> Provider:
        """Return the provider of an entry, unasked."""
        if entry.name not in self._made:
            self._made[entry.name] = _made(entry, self.project, self._local)
        return self._made[entry.name]


def _made(entry: ProviderEntry, project: Project, local: Local) -> Provider:
    if entry.flavor == "aws":
        from .aws import AwsProvider

        return AwsProvider(entry)
    from .kv2 import VaultProvider

    return VaultProvider(entry, project, local)


def _in_time(provider: Provider, seconds: float, call: Callable[[], Result]) -> Result:
    provider.prepare()
    try:
        return within(seconds, call)
    except TimeoutError:
        raise StoreUnusableError(
            provider.name,
            f"{provider.location.partition(' ')[0]} did not answer within {seconds:g} s",
            hint="is the network (VPN) there?",
        ) from None
