"""The index: names of secrets, their keys and their store, never a value.

A change is announced here before the store is asked and confirmed afterwards. So a killed process leaves an
entry that says what it was doing, and neither a secret that nobody knows of nor one that is only a name.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal

from ..config.files import remove_leftovers, write_atomic
from ..config.locks import file_lock
from ..config.paths import user_data_dir
from ..config.regular import read_regular_file
from ..dataclass import dataclass
from ..errors import ConfigError

VERSION = 1
FILE = "secrets.json"
_PATIENCE = 120.0  # the holder may be waiting for a person who unlocks a keyring

Pending = Literal["", "create", "update", "delete"]


@dataclass(frozen=True)
class Entry:
    """What is known of a secret without its store; `revision` changes with every write."""

    keys: tuple[str, ...]
    store: str
    revision: str = ""
    pending: Pending = ""


Entries = dict[str, Entry]


class Index:
    """The file of names; reading takes no lock, changing does."""

    def __init__(self) -> None:
        self.path = user_data_dir() / FILE

    def read(self) -> Entries:
        """Return the entries by name."""
        data = read_regular_file(self.path, str(self.path))
        if data is None:
            return {}
        try:
            return _entries(json.loads(data))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise self._broken("it is not the index of secrets that mlx wrote") from None

    def find(self, name: str) -> Entry | None:
        """Return the entry of a secret."""
        return self.read().get(name)

    @contextmanager
    def editing(self) -> Iterator[Draft]:
        """Hold the lock for a change of one secret, values included; nothing is saved by itself."""
        with file_lock(self.path.with_name(f"{FILE}.lock"), timeout=_PATIENCE):
            remove_leftovers(self.path)
            yield Draft(self)

    def save(self, entries: Mapping[str, Entry]) -> None:
        """Write the file; the caller holds the lock."""
        secrets = {name: _plain(entry) for name, entry in sorted(entries.items())}
        text = json.dumps({"version": VERSION, "secrets": secrets}, indent=1)
        write_atomic(self.path, text.encode() + b"\n", mode=0o600)

    def _broken(self, problem: str) -> ConfigError:
        return ConfigError(
            f"{self.path}: {problem}",
            hint=f"{shlex.join(('mv', str(self.path), f'{self.path}.broken'))}, then mlx secret where NAME for each secret "
            "finds it again",
        )


class Draft:
    """The entries during one change; each step is saved at once."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self.entries = index.read()

    def put(self, name: str, entry: Entry) -> Entry:
        """Save an entry under a new revision, and return it."""
        self.entries[name] = replace(entry, revision=os.urandom(4).hex())
        self._index.save(self.entries)
        return self.entries[name]

    def drop(self, name: str) -> None:
        """Save the index without an entry."""
        if self.entries.pop(name, None) is not None:
            self._index.save(self.entries)

    def restore(self, name: str, before: Entry | None) -> None:
        """Take back what was announced."""
        if before is None:
            self.drop(name)
        else:
            self.put(name, before)


def _entries(document: Any) -> Entries:
    if document["version"] != VERSION:
        raise ConfigError(
            f"the index of secrets has version {document['version']}, which this mlx does not know",
            hint="pip install --upgrade mlxkit",
        )
    return {
        name: Entry(tuple(item["keys"]), item["store"], item.get("revision", ""), item.get("pending", ""))
        for name, item in document["secrets"].items()
    }


def _plain(entry: Entry) -> dict[str, Any]:
    data: dict[str, Any] = {"keys": list(entry.keys), "store": entry.store, "revision": entry.revision}
    return {**data, "pending": entry.pending} if entry.pending else data
