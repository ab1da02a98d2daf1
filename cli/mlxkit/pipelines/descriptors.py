"""What can be asked of the descriptors that a program's output goes through."""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import select
import termios


def is_same(one: int, other: int) -> bool:
    """Say whether two descriptors are one pipe or file (`2>&1`), where order matters."""
    try:
        first, second = os.fstat(one), os.fstat(other)
    except OSError:
        return False
    return (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)


def write_all(descriptor: int, data: bytes) -> bool:
    """Write all of it; False when nobody reads there any more."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:  # somebody who shares it made it so
            select.select([], [descriptor], [])
        except OSError:
            return False
    return True


def empty(descriptor: int) -> None:
    """Take what there is, for nothing."""
    with contextlib.suppress(BlockingIOError):
        os.read(descriptor, 4096)


def waiting(descriptor: int) -> int:
    """Return how many bytes can be read now."""
    count = array.array("i", [0])
    try:
        fcntl.ioctl(descriptor, termios.FIONREAD, count)
    except OSError:
        return 0
    return count[0]
