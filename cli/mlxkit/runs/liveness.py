"""Whether the process of a run is still there: it holds a lock on a file for as long as it lives.

A lock goes with its process however that ends (kill -9, a crash, a reboot), and, unlike a process id,
it is never taken over by another. Record locks are not inherited by forked children, which may outlive us.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO

from ..config.files import make_private_dir


class Heartbeat:
    """Hold the lock of one run until `stop()` or the end of the process."""

    def __init__(self, folder: Path, run_id: str) -> None:
        self._path = make_private_dir(folder) / f"{run_id}.alive"
        self._file: IO[bytes] | None = self._path.open("wb")
        if not _try_lock(self._file):  # a fresh id: nobody else can hold it
            raise OSError(f"{self._path} is locked by another process")
        _ours[run_id] = os.getpid()
        self._run_id = run_id

    def stop(self) -> None:
        """Release the lock and remove the file."""
        if self._file is not None:
            self._path.unlink(missing_ok=True)
            self._file.close()
            self._file = None
            _ours.pop(self._run_id, None)


def is_alive(folder: Path, run_id: str) -> bool:
    """Say whether the process that started the run still lives (a file that is gone means it does not)."""
    if _ours.get(run_id) == os.getpid():  # opening and closing the file again would drop our own lock
        return True
    path = folder / f"{run_id}.alive"
    try:
        handle = path.open("r+b")
    except FileNotFoundError:
        return False
    with handle:
        if not _try_lock(handle):
            return True
    path.unlink(missing_ok=True)
    return False


def holder(folder: Path, run_id: str) -> int | None:
    """Return the id of the process that holds a run's lock; None when there is none, or the system does not tell."""
    if _ours.get(run_id) == os.getpid():
        return os.getpid()
    try:
        handle = (folder / f"{run_id}.alive").open("r+b")
    except FileNotFoundError:
        return None
    with handle:
        return _locked_by(handle)


# Runs whose lock this process holds, with its id: a forked child has this table too, and not the locks.
_ours: dict[str, int] = {}

if sys.platform == "win32":
    import msvcrt

    def _try_lock(handle: IO[bytes]) -> bool:
        try:
            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _locked_by(handle: IO[bytes]) -> int | None:  # noqa: ARG001  Windows does not tell
        return None

else:
    import fcntl

    def _try_lock(handle: IO[bytes]) -> bool:
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _locked_by(handle: IO[bytes]) -> int | None:
        """Ask the system which process stands in the way of a lock; its answer has the form of `struct flock`."""
        import struct

        if sys.platform == "darwin":
            form, place = "qqihh", 2  # start, length, pid, type, whence
            asked = struct.pack(form, 0, 0, 0, fcntl.F_WRLCK, os.SEEK_SET)
        else:
            form, place = "hhqqi4x", 4  # type, whence, start, length, pid
            asked = struct.pack(form, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        try:
            answer = struct.unpack(form, fcntl.fcntl(handle, fcntl.F_GETLK, asked))
        except OSError:
            return None
        kind = answer[3] if sys.platform == "darwin" else answer[0]
        return int(answer[place]) if kind != fcntl.F_UNLCK and answer[place] > 0 else None
