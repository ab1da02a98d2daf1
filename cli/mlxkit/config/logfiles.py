"""A log that is set aside when it has grown large, read from its end across both of its files."""

from __future__ import annotations

import os
from pathlib import Path

_PIECE = 64 * 1024


def set_aside(path: Path) -> Path:
    """Return what a log is called once it is set aside for a new one."""
    return path.with_name(f"{path.name}.1")


def last_lines(path: Path, count: int, *, with_earlier: bool = True) -> list[str]:
    """Return the last lines of a log and of the one that was set aside for it; none when there is no log yet."""
    found: list[str] = []
    for part in (path, set_aside(path)) if with_earlier else (path,):
        if len(found) < count:
            found = [*_tail(part, count - len(found)), *found]
    return found


def _tail(path: Path, count: int) -> list[str]:
    try:
        with path.open("rb") as file:
            position, end = file.seek(0, os.SEEK_END), b""
            while position > 0 and end.count(b"\n") <= count:
                step = min(_PIECE, position)
                position = file.seek(position - step)
                end = file.read(step) + end
    except FileNotFoundError:
        return []
    lines = end.decode("utf-8", "replace").split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines[-count:]] if count else []
