"""A lock between processes, and between the threads of one."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..errors import InUseError, MlxError
from .files import NotWritableError, make_private_dir

if sys.platform == "win32":
    import msvcrt

    def _try(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _try(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


_PAUSE = 0.01
_LONGEST_PAUSE = 0.025


class LockTimeoutError(MlxError):
    """Somebody else holds a lock and does not let go."""


@contextmanager
def file_lock(path: Path, *, timeout: float = 30.0) -> Iterator[None]:
    """Hold the lock named by `path`; not reentrant. The file stays: removing it would let two holders in."""
    make_private_dir(path.parent)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise NotWritableError(f"cannot open the lock {path}: {error.strerror}") from error
    try:
        _wait(descriptor, path, timeout)
        yield
    finally:
        os.close(descriptor)  # which lets go of the lock


@contextmanager
def one_at_a_time(path: Path, *, timeout: float, busy: str, hint: str) -> Iterator[None]:
    """Hold a lock as `file_lock` does; raises InUseError with the words `busy` when another command does for longer."""
    with ExitStack() as held:
        try:
            held.enter_context(file_lock(path, timeout=timeout))
        except LockTimeoutError:
            raise InUseError(busy, hint=hint) from None
        yield


def _wait(descriptor: int, path: Path, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    pause = _PAUSE
    while True:
        try:
            _try(descriptor)
            return
        except (BlockingIOError, PermissionError):  # what Linux and macOS say, and what Windows says
            if time.monotonic() >= deadline:
                raise LockTimeoutError(
                    f"another process has held {path} for more than {timeout:g} s", hint="ps -ef | grep mlx"
                ) from None
        except OSError as error:  # a file system without locks
            raise NotWritableError(f"cannot lock {path}: {error.strerror}") from error
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)
