"""The log of a deployment, and what is added to it."""

from __future__ import annotations

import os
import time
from codecs import getincrementaldecoder
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from ..config.logfiles import last_lines, set_aside

_PAUSE = 0.2
_PIECE = 256 * 1024


def followed(path: Path, count: int, *, is_over: Callable[[], bool] = lambda: False) -> Iterator[str]:
    """Yield the last lines, and then text as it is added, also after the log was set aside for a new one.

    Ends when `is_over` says so, which is asked whenever there is nothing new.
    """
    file = None
    decoder = getincrementaldecoder("utf-8")("replace")  # a piece may end in the middle of a character
    try:
        while True:
            if file is None and path.exists():
                file = path.open("rb")
                if count >= 0:
                    yield _before(path, count)
                    file.seek(_start_of(path, count))
            count = -1  # of another file everything is new
            piece = file.read(_PIECE) if file is not None else b""
            if piece:
                yield decoder.decode(piece)
                continue
            if file is not None and _is_another(path, file.fileno(), file.tell()):
                yield decoder.decode(b"", final=True)
                file.close()
                file = None
                continue
            if is_over():
                return
            time.sleep(_PAUSE)
    finally:
        if file is not None:
            file.close()


def _before(path: Path, count: int) -> str:
    """Return what the log that was set aside has of the last lines, when this one has too few."""
    missing = len(last_lines(path, count)) - len(last_lines(path, count, with_earlier=False))
    earlier = last_lines(set_aside(path), missing, with_earlier=False)
    return "".join(f"{line}\n" for line in earlier)


def _start_of(path: Path, count: int) -> int:
    """Return where the last lines of a file begin."""
    starts: deque[int] = deque([0], maxlen=count + 1)
    position = 0
    with path.open("rb") as file:
        for line in file:
            position += len(line)
            starts.append(position)
    return starts[0] if len(starts) <= count or count else position


def _is_another(path: Path, descriptor: int, read: int) -> bool:
    """Say whether the file under this name is not the one that is read any more, or was cut short."""
    ours = os.fstat(descriptor)
    try:
        now = path.stat()
    except FileNotFoundError:
        return False
    return (now.st_dev, now.st_ino) != (ours.st_dev, ours.st_ino) or now.st_size < read
