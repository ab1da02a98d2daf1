"""An encrypted file beside the index, for machines without a keyring."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from ...config.files import make_private_dir, remove_leftovers, write_atomic
from ...config.locks import file_lock
from ...config.paths import user_data_dir
from . import master_key, sealed_box
from .master_key import NAME
from .private_file import UnsafeFileError, read_private_file
from .protocol import StoreUnusableError

FILE = "secrets.enc"

Items = dict[str, dict[str, str]]

_opened: dict[
    str, sealed_box.Box
] = {}  # by header: the key is derived once a process, which takes a third of a second


class EncryptedFileStore:
    """All secrets in one file; a change rewrites it as a whole, under a lock."""

    name = NAME

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or user_data_dir() / FILE

    @property
    def location(self) -> str:
        return str(self._path)

    def open(self) -> None:
        """Unlock the file, or make sure that there is something to lock a new one with."""
        data = self._bytes()
        if data is None:
            master_key.check_source()
            return
        self._box(sealed_box.split(data)[0])

    def read(self, secret: str) -> dict[str, str] | None:
        """Return the values of a secret, or None when the file has none of that name."""
        return self._items()[1].get(secret)

    def write(self, secret: str, values: Mapping[str, str]) -> None:
        """Put a secret into the file and read it back."""
        with self._lock():
            box, items = self._items()
            items[secret] = dict(values)
            self._save(box or sealed_box.new_box(master_key.master_key(new=True)), items)
        if self.read(secret) != dict(values):
            raise StoreUnusableError(NAME, f"{self._path} did not keep the value")

    def delete(self, secret: str) -> bool:
        """Take a secret out of the file."""
        with self._lock():
            box, items = self._items()
            if box is None or items.pop(secret, None) is None:
                return False
            self._save(box, items)
            return True

    def _lock(self) -> AbstractContextManager[None]:
        make_private_dir(self._path.parent)
        return file_lock(self._path.with_name(f"{self._path.name}.lock"))

    def _items(self) -> tuple[sealed_box.Box | None, Items]:
        data = self._bytes()
        if data is None:
            return None, {}
        header, body = sealed_box.split(data)
        box = self._box(header)
        return box, sealed_box.unseal(box, body)

    def _box(self, header: object) -> sealed_box.Box:
        cached = json.dumps(header, sort_keys=True)
        if cached not in _opened:
            _opened[cached] = sealed_box.open_box(header, master_key.master_key(new=False))
        return _opened[cached]

    def _save(self, box: sealed_box.Box, items: Items) -> None:
        remove_leftovers(self._path)
        write_atomic(self._path, sealed_box.seal(box, items), mode=0o600)
        _opened[json.dumps(box.header, sort_keys=True)] = box

    def _bytes(self) -> bytes | None:
        try:
            return read_private_file(self._path, is_secret=False, follow_links=False)
        except UnsafeFileError as error:
            raise StoreUnusableError(NAME, str(error), hint=error.hint) from error
