"""The keyring of the operating system, or the keyring class that the user names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from .. import payload
from . import chunks
from .backend import WINDOWS
from .keyring_items import NAME, KeyringItems
from .protocol import StoreUnusableError

_WINDOWS_LIMIT = 1280  # UTF-16 units in one credential


class KeyringStore:
    """One item a secret: service `mlx:<name>`, username `mlx`, so that `keyring get mlx:NAME mlx` shows it."""

    def __init__(self) -> None:
        self._items = KeyringItems()

    @property
    def name(self) -> str:
        """`keyring` for the system's own, otherwise the class, because each class is a place of its own."""
        return self._items.name

    @property
    def location(self) -> str:
        return self._items.backend_name

    def open(self) -> None:
        """Load the class and ask it for something, because one that loads may still be locked or broken."""
        self._items.get(_service("probe"))

    def read(self, secret: str) -> dict[str, str] | None:
        """Return the values of a secret, or None when the keyring has no such item."""
        service = _service(secret)
        text = chunks.read(self._items, service) if self._limit else self._items.get(service)
        return None if text is None else payload.decode(text)

    def write(self, secret: str, values: Mapping[str, str]) -> None:
        """Replace the item and read it back: some keyrings take everything and keep nothing."""
        service, text = _service(secret), payload.encode(values)
        if self._limit:
            chunks.write(self._items, service, text, self._limit)
        else:
            self._items.set(service, text)
        if self.read(secret) != dict(values):
            raise StoreUnusableError(
                self.name, f"{self.location} took the value and did not give it back", hint="mlx secret where"
            )

    def delete(self, secret: str) -> bool:
        """Remove the item; say whether there was one."""
        service = _service(secret)
        return chunks.delete(self._items, service) if self._limit else self._items.delete(service)

    @property
    def _limit(self) -> int:
        self._items.load()
        return _WINDOWS_LIMIT if self.location == WINDOWS else 0


def _service(secret: str) -> str:
    """Name the item; another MLX_HOME has its own items in the same keyring."""
    home = os.environ.get("MLX_HOME")
    if not home:
        return f"mlx:{secret}"
    import hashlib

    digest = hashlib.sha256(str(Path(home).expanduser().absolute()).encode()).hexdigest()
    return f"mlx/{digest[:8]}:{secret}"


__all__ = ["NAME", "KeyringStore"]
