"""Whether this process can be forked now: what holds locks or has threads that a copy would wait for."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from ....errors import UsageError

START = "MLX_WORKER_START"
_OURS = str(Path(__file__).parents[3]) + os.sep
_MOMENT = 0.005  # seconds; as long as one thread of Python keeps others waiting
_WAITS = (threading.__file__, str(Path(threading.__file__).parent / "concurrent") + os.sep)


def start_method() -> str | None:
    """Return how MLX_WORKER_START says that workers are started, `fork` or `spawn`, or None."""
    asked = os.environ.get(START) or None
    if asked not in (None, "fork", "spawn"):
        raise UsageError(f"{START} is {asked!r}; it can be fork or spawn")
    if asked == "fork" and not sys.platform.startswith("linux"):
        raise UsageError(
            f"{START}=fork: a copy of a process is not safe on {sys.platform}", hint=f"unset {START}"
        )
    return asked


def may_fork(creator: int) -> bool:
    """Tell whether a copy of this process would work; `creator` is the thread that runs the pipeline."""
    asked = start_method()
    if asked == "spawn" or not sys.platform.startswith("linux"):
        return False
    if asked is None and any(
        module in sys.modules and has(sys.modules[module]) for module, has in _UNSAFE.items()
    ):
        return False
    return _are_waiting({creator, threading.main_thread().ident or 0}) and not _is_importing()


def others_stand_still(creator: int) -> bool:
    """Tell whether no other thread of the user's does anything now: in a copy, a lock that it holds is held for ever.

    What looks so may just wait for its turn on a busy machine: a look is no proof, but most of what runs is seen.
    """
    if start_method() == "fork":
        return True
    before = _spent_by_others(creator)
    if not before:
        return True
    time.sleep(_MOMENT)
    return _spent_by_others(creator) == before


def _spent_by_others(creator: int) -> dict[int, float]:
    """Return the seconds of processor time that each other thread of the user's has had."""
    own = (creator, threading.get_ident(), threading.main_thread().ident)
    frames = sys._current_frames()
    spent = {}
    for thread in threading.enumerate():
        if thread.ident in own or thread.native_id is None or _is_ours(frames.get(thread.ident or 0)):
            continue
        with suppress(OSError):  # it has just ended
            spent[thread.native_id] = time.clock_gettime(_clock_of(thread.native_id))
    return spent


def _clock_of(native_id: int) -> int:
    """Return the clock of a thread by its number, as clock_getcpuclockid(3) makes it on Linux.

    The one that Python makes from a thread's identity ends the process when the thread has ended meanwhile.
    """
    return (~native_id << 3) | 0b110


def _are_waiting(threads: set[int]) -> bool:
    """Tell whether threads that run user code are in ours, where they hold no lock that work could need."""
    frames = sys._current_frames()
    return all(ident == threading.get_ident() or _is_ours(frames.get(ident)) for ident in threads)


def _is_ours(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code.co_filename.startswith(_WAITS):
        frame = frame.f_back
    return frame is None or frame.f_code.co_filename.startswith(_OURS)


def _is_importing() -> bool:
    """Tell whether a module is being imported: its lock would be held for ever in a copy."""
    locks = getattr(sys.modules.get("_frozen_importlib"), "_module_locks", {})
    return any(getattr(lock(), "owner", None) is not None for lock in list(locks.values()))


def _always(_: ModuleType) -> bool:
    return True


def _has_cuda(torch: Any) -> bool:
    cuda = getattr(torch, "cuda", None)  # absent while torch is only half imported
    return cuda is not None and bool(cuda.is_initialized())


def _has_backend(_: ModuleType) -> bool:
    return bool(getattr(sys.modules.get("jax._src.xla_bridge"), "_backends", None))


# Libraries with threads of their own that do not come back in a copy, or devices that cannot be used by it.
_UNSAFE: dict[str, Callable[[ModuleType], bool]] = {
    "polars": _always,
    "tensorflow": _always,
    "ray": _always,
    "torch": _has_cuda,
    "jax": _has_backend,
}
