"""Small named documents as files in a folder; of several writers of one name the first one's counts."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from ...artifacts.store import check_entry_name, entry_limit, is_entry_name
from .modes import Modes

_TO_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)  # nobody writes to a pipe
_CANNOT_LINK = 60  # seconds that a writer waits for another one, where files cannot be linked


class EntryFiles:
    """The documents below one folder. `draft` gives a private folder on the same disk to write in.

    All of them raise OSError; with `EINVAL` where under a name is what nobody of us put there.
    """

    def __init__(
        self, root: Path, draft: Callable[[], AbstractContextManager[Path]], modes: Modes | None = None
    ) -> None:
        self._root = root
        self._draft = draft
        self._modes = modes or Modes()

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
                self._modes.give(written)
                self._modes.make(path.parent)
                try:
                    _link(written, path, self._modes)
                except FileExistsError:
                    continue  # another was first; should it be gone again by now, this one's turn comes
                return content

    def get(self, name: str) -> bytes | None:
        """Return a document, or None."""
        path = self._path(name)
        try:
            with os.fdopen(os.open(path, _TO_READ), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise _odd(path, "no file")
                content = file.read(entry_limit(name) + 1)
                if len(content) > entry_limit(name):
                    raise _odd(path, "too large")
                return content
        except FileNotFoundError:
            if path.is_symlink():  # else a writer would find it there, and not there, for ever
                raise _odd(path, "a link to nothing") from None
            return None
        except NotADirectoryError:
            return None
        except IsADirectoryError:
            raise _odd(path, "no file") from None
        except PermissionError:
            if not os.access(path.parent, os.X_OK):
                raise  # nobody of us gets in there
            raise _odd(path, "closed to this user") from None

    def delete(self, name: str) -> None:
        """Remove a document."""
        path = self._path(name)
        try:
            path.unlink()
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError:
            if not path.is_dir():
                raise
            with suppress(OSError):  # somebody's folder in its place, which may hold what they need
                path.rmdir()

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
        if item.is_dir(follow_symlinks=False):
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


def _odd(path: Path, what: str) -> OSError:
    return OSError(errno.EINVAL, f"it is {what}", str(path))


def _link(written: Path, path: Path, modes: Modes) -> None:
    """Give a finished file its name, or raise FileExistsError."""
    try:
        os.link(written, path)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):  # a file system without links: one writer after the other
        from ...config.locks import file_lock

        lock = written.parent.parent / "entries.lock"
        with suppress(OSError):  # else whoever comes first locks the others out
            os.close(os.open(lock, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            modes.give(lock)
        with file_lock(lock, timeout=_CANNOT_LINK):
            if path.exists():
                raise FileExistsError(path) from None
            written.rename(path)
