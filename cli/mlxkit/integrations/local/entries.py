"""Small named documents as files in a folder; of several writers of one name the first one's counts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from ...artifacts.store import check_entry_name, is_entry_name
from ...config.files import make_private_dir

_CANNOT_LINK = 60  # seconds that a writer waits for another one, where files cannot be linked


class EntryFiles:
    """The documents below one folder. `draft` gives a private folder on the same disk to write in."""

    def __init__(self, root: Path, draft: Callable[[], AbstractContextManager[Path]]) -> None:
        self._root = root
        self._draft = draft

    def put(self, name: str, content: bytes) -> bytes:
        """Write a document unless it is there; return the one that is there then.

        A link to a finished file either is made or finds another: no reader sees half of a document, and no two
        writers both believe to be the first.
        """
        path = self._path(name)
        while True:
            there = self.get(name)  # mostly the answer, and nothing has to be written for it
            if there is not None:
                return there
            with self._draft() as folder:
                written = folder / "entry"
                _write_synced(written, content)
                make_private_dir(path.parent)
                try:
                    _link(written, path)
                except FileExistsError:
                    continue  # another was first; should it be gone again by now, this one's turn comes
                return content

    def get(self, name: str) -> bytes | None:
        """Return a document, or None."""
        try:
            return self._path(name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def delete(self, name: str) -> None:
        """Remove a document."""
        with suppress(FileNotFoundError, NotADirectoryError):
            self._path(name).unlink()

    def names(self, prefix: str) -> Iterator[str]:
        """Return the names that begin with `prefix`, in order."""
        above = prefix.rpartition("/")[0]
        if above:
            check_entry_name(above)
        for name in sorted(_below(self._root / above, f"{above}/" if above else "")):
            if name.startswith(prefix) and is_entry_name(name):
                yield name

    def _path(self, name: str) -> Path:
        check_entry_name(name)
        return self._root / name


def _below(folder: Path, prefix: str) -> Iterator[str]:
    try:
        with os.scandir(folder) as found:
            items = list(found)
    except (FileNotFoundError, NotADirectoryError):
        return
    for item in items:
        if item.is_dir():
            yield from _below(Path(item.path), f"{prefix}{item.name}/")
        else:
            yield prefix + item.name


def _write_synced(path: Path, content: bytes) -> None:
    """Write a file that is whole even after a power failure: the first one counts, so it is never repaired."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _link(written: Path, path: Path) -> None:
    """Give a finished file its name, or raise FileExistsError."""
    try:
        os.link(written, path)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):  # a file system without links: one writer after the other
        from ...config.locks import file_lock

        with file_lock(written.parent.parent / "entries.lock", timeout=_CANNOT_LINK):
            if path.exists():
                raise FileExistsError(path) from None
            written.rename(path)
