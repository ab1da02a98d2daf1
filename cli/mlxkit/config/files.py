"""Files that are either the old or the new one, never half of both, and never readable by others by accident."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from ..errors import MlxError


class NotWritableError(MlxError):
    """A file could not be written; what was there before is still there."""


def write_atomic(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Replace the content of `path` as a whole; on any failure the old file stays as it was."""
    temporary = path.with_name(f".{path.name}.{os.urandom(6).hex()}.tmp")
    try:
        _write_synced(temporary, data, mode)
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise NotWritableError(f"cannot write {path}: {error.strerror}; nothing was changed") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def remove_leftovers(path: Path) -> None:
    """Remove what killed writers of `path` left beside it; the caller holds the lock that writers take."""
    with contextlib.suppress(OSError):
        for other in path.parent.iterdir():
            if other.name.startswith(f".{path.name}.") and other.suffix == ".tmp":
                other.unlink()


def make_private_dir(path: Path) -> Path:
    """Make a folder, and the missing ones above it, that only the user can enter."""
    try:
        _make_private(path)
    except OSError as error:
        raise NotWritableError(f"cannot make the folder {path}: {error.strerror}") from error
    return path


def _make_private(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except FileNotFoundError:
        if path.parent == path:
            raise
        _make_private(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)


def _write_synced(path: Path, data: bytes, mode: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, mode), "wb") as file:
        if hasattr(os, "fchmod"):
            os.fchmod(file.fileno(), mode)  # the umask may have taken bits that the old file had
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, where folders can be opened."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:  # some file systems have no fsync of a folder; the file itself is safe
        pass
    finally:
        os.close(descriptor)
