"""Take values out of this process's own argument list, where `ps` and every program of the user could read them."""

from __future__ import annotations

import sys
from collections.abc import Iterable


def hide(values: Iterable[str]) -> None:
    """Overwrite arguments that are or end with one of `values`; on other systems than Linux do nothing.

    What was seen before Python had started stays seen: this narrows a window and does not close it.
    """
    wanted = [value.encode("utf-8", "surrogateescape") for value in values if value]
    if not wanted or sys.platform != "linux":
        return
    try:
        _overwrite(wanted)
    except (OSError, ValueError, IndexError):  # a kernel, sandbox or emulator that keeps its memory to itself
        return


def _overwrite(wanted: list[bytes]) -> None:
    begin, end = _place()
    with open("/proc/self/cmdline", "rb") as file:  # noqa: PTH123 - files of the kernel, not of a disk
        shown = file.read()
    with open("/proc/self/mem", "r+b", buffering=0) as memory:  # noqa: PTH123
        memory.seek(begin)
        if not shown or memory.read(end - begin) != shown:
            return
        at = begin
        for argument in shown.removesuffix(b"\0").split(b"\0"):
            for value in wanted:
                if argument == value or argument.endswith(b"=" + value):
                    memory.seek(at + len(argument) - len(value))
                    memory.write(b"*" * len(value))
            at += len(argument) + 1


def _place() -> tuple[int, int]:
    """Return where the kernel says that the argument list begins and ends."""
    with open("/proc/self/stat", "rb") as file:  # noqa: PTH123
        fields = file.read().rpartition(b")")[2].split()
    return int(fields[45]), int(fields[46])
