"""Read a file that only this user can have written, and never wait for one that is no file."""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path


class UnsafeFileError(Exception):
    """The file must not be trusted; the text says why, the hint how to change that."""

    def __init__(self, reason: str, hint: str | None = None) -> None:
        super().__init__(reason)
        self.hint = hint


def read_private_file(path: Path, *, is_secret: bool = True, follow_links: bool = True) -> bytes | None:
    """Return the bytes of an ordinary file; None when there is none. One that `is_secret` must be closed to others."""
    if not follow_links and path.is_symlink():
        raise UnsafeFileError(f"{path} is a link, which anybody could have put there")
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    flags |= 0 if follow_links else getattr(os, "O_NOFOLLOW", 0)
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnsafeFileError(f"{path} cannot be read ({error.strerror})") from error
    try:
        _check(path, os.fstat(descriptor), is_secret=is_secret)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def _check(path: Path, status: os.stat_result, *, is_secret: bool) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UnsafeFileError(f"{path} is not a file")
    if os.name != "posix":
        return
    if is_secret and status.st_mode & 0o077:
        raise UnsafeFileError(f"{path} can be read by others", hint=f"chmod 600 {shlex.quote(str(path))}")
    if not is_secret and status.st_uid != os.geteuid():
        raise UnsafeFileError(f"{path} belongs to another user")
