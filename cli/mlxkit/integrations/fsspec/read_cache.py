"""The copies of content that this user's machine keeps: by digest, for all stores, up to a size."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ...artifacts.errors import ArtifactStoreError
from ...artifacts.records import ArtifactRecord
from ...config.files import make_private_dir
from ...config.locks import LockTimeoutError, file_lock
from ..local.artifact_store import LocalArtifactStore

GRACE = 120.0  # seconds that what was asked for stays: between being told a path and opening it
_SWEPT_EVERY = 600.0
_LONGEST_DOWNLOAD = 3600.0


class ReadCache:
    """Copies in a folder, written and renamed as the local store does it, the least recently used removed first.

    What somebody is reading may be removed: an open or memory-mapped file stays readable on Linux and macOS until
    it is closed, and Windows refuses to remove it. What was asked for within `GRACE` stays, so that nobody who was
    told a path finds nothing there; the limit can be exceeded by that much.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self.limit = limit
        self._files = LocalArtifactStore.at(folder)
        self._added = 0

    @contextmanager
    def draft(self) -> Iterator[Path]:
        """Give a private folder beside the copies; raises ArtifactStoreError."""
        try:
            with self._files.draft() as folder:
                yield folder
        except OSError as error:
            raise self._unwritable(error) from error

    def find(self, uri: str, artifact: ArtifactRecord | None) -> Path | None:
        """Return a copy, which counts as used now, or None; one of another size than recorded is not believed."""
        path = self.folder / uri.rstrip("/")
        try:
            os.utime(path)
            if path.is_dir() != uri.endswith("/") or (
                artifact is not None and not self._files.exists(artifact)
            ):
                return None
        except OSError:
            return None
        return path

    def keep(self, draft: Path, uri: str) -> Path:
        """Take a finished draft over and return where it is now; makes room for it."""
        size = _size(draft)
        os.utime(draft)
        there = self.folder / uri.rstrip("/")
        try:
            if there.exists() and there.is_dir() != draft.is_dir():  # a store can have both; a disk cannot
                self._remove(there)
            self._files.commit(draft, uri)
        except OSError as error:
            raise self._unwritable(error) from error
        self._added += size
        self._make_room()
        return there

    def discard(self, uri: str) -> None:
        """Remove a copy."""
        with suppress(OSError):
            self._files.delete(uri)

    @contextmanager
    def one_download(self, digest: str) -> Iterator[None]:
        """Have others on this machine who want the same content wait until it is here."""
        lock = self.folder / "locks" / f"{digest[:2]}.lock"
        try:
            held = file_lock(lock, timeout=_LONGEST_DOWNLOAD)
            held.__enter__()
        except LockTimeoutError:  # then it is brought twice
            yield
            return
        try:
            yield
        finally:
            held.__exit__(None, None, None)

    def mark_damaged(self, digest: str) -> None:
        """Remember that a store holds damaged content, so that the next who makes it writes it again."""
        with suppress(OSError):
            make_private_dir(self.folder / "damaged")
            (self.folder / "damaged" / digest).touch(0o600)

    def is_damaged(self, digest: str) -> bool:
        """Say whether content was found damaged."""
        return (self.folder / "damaged" / digest).exists()

    def unmark(self, digest: str) -> None:
        """Forget that content was damaged."""
        (self.folder / "damaged" / digest).unlink(missing_ok=True)

    def _unwritable(self, error: OSError) -> ArtifactStoreError:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return ArtifactStoreError(
            f"cannot write to {self.folder}, where copies are kept: {error.strerror or error}",
            hint="lower cache_size, or free the disk"
            if is_full
            else "set XDG_CACHE_HOME to a folder that can be written",
        )

    def _make_room(self) -> None:
        """Remove what was not used for longest; looks at everything only now and then, for that takes a while."""
        stamp = self.folder / "swept"
        try:
            is_due = time.time() - stamp.stat().st_mtime > _SWEPT_EVERY
        except OSError:
            is_due = True
        if not is_due and self._added < self.limit // 20:
            return
        self._added = 0
        with suppress(OSError):
            stamp.touch(0o600)
            self.sweep()

    def sweep(self) -> int:
        """Remove copies until they take no more than the limit; returns how many."""
        found = sorted(_copies(self.folder))
        total = sum(size for _, size, _ in found)
        removed = 0
        for used, size, path in found:
            if total <= self.limit or time.time() - used < GRACE:
                break
            if self._remove_unused(path, used):
                total -= size
                removed += 1
        return removed

    def _remove_unused(self, path: Path, used: float) -> bool:
        """Remove a copy unless somebody was told its path since it was looked at, which takes a while for many."""
        try:
            return path.stat().st_mtime == used and self._remove(path)
        except OSError:
            return False

    def _remove(self, path: Path) -> bool:
        try:
            if not path.is_dir():
                path.unlink()
                return True
            with self._files.draft() as folder:  # it leaves its name at once, and is removed from there
                path.rename(folder / path.name)
        except OSError:  # another process was first, or Windows has it open
            return False
        return True


def _copies(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """Return when each copy was last used, its size and its path."""
    for group in folder.iterdir():
        if len(group.name) == 2:
            for path in list(group.iterdir()):
                with suppress(OSError):
                    yield path.stat().st_mtime, _size(path), path


def _size(path: Path) -> int:
    if not path.is_dir():
        return path.stat().st_size
    return sum(_size(item) for item in path.iterdir())
