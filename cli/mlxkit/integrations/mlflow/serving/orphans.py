"""What a model started and let go of: on Linux it becomes a child of the supervisor, and ends with its worker."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Container
from pathlib import Path

_BE_SUBREAPER = 36  # prctl(2)
_MARK = "MLX_WORKER"


def adopt() -> None:
    """Become the parent of every process below this one whose own parent has ended."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_BE_SUBREAPER, 1, 0, 0, 0)


def marked(mark: str) -> dict[str, str]:
    """Return an environment by which what a worker starts is known as its own."""
    return {**os.environ, _MARK: mark}


def end(workers: Container[int], marks: Container[str]) -> None:
    """Kill the adopted ones whose worker is none of `marks`; those below them are adopted then, and next. `workers` are spared."""
    seen: set[int] = set()
    while found := [pid for pid in _children() if pid not in workers and pid not in seen]:
        for pid in found:
            seen.add(pid)
            if _mark(pid) not in marks:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)


def bury(workers: Container[int]) -> None:
    """Take note of the end of adopted ones; that of a worker is left to who started it."""
    for pid in _children():
        if pid not in workers:
            with contextlib.suppress(OSError):
                os.waitpid(pid, os.WNOHANG)


def _children() -> list[int]:
    try:
        return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    except OSError:  # not Linux
        return []


def _mark(pid: int) -> str:
    with contextlib.suppress(OSError):
        for item in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            name, _, value = item.partition(b"=")
            if name == _MARK.encode():
                return value.decode(errors="replace")
    return ""
