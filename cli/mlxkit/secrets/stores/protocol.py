"""What every store can do, and how it says that it cannot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ...errors import CredentialsError


class SecretStore(Protocol):
    """A place for secrets; each secret is one entry, written and read as a whole."""

    @property
    def name(self) -> str:
        """The word for this store in the index, in messages and in `mlx secret where`."""

    @property
    def location(self) -> str:
        """Where the values are, for people."""

    def open(self) -> None:
        """Make sure that the store answers, or raise StoreUnusableError with the reason."""

    def read(self, secret: str) -> dict[str, str] | None:
        """Return the values of a secret, or None when there is no such entry."""

    def write(self, secret: str, values: Mapping[str, str]) -> None:
        """Replace the whole entry, and make sure that it can be read back."""

    def delete(self, secret: str) -> bool:
        """Remove the entry; say whether there was one."""


class StoreUnusableError(CredentialsError):
    """A store cannot be used here; `reason` says why in words that can stand after 'the keyring: '."""

    def __init__(self, store: str, reason: str, *, hint: str | None = None) -> None:
        super().__init__(f"{store}: {reason}", hint=hint)
        self.store = store
        self.reason = reason


class IncompleteEntryError(CredentialsError):
    """An entry is made of parts that do not belong together: somebody is writing it, or removed some of it."""
