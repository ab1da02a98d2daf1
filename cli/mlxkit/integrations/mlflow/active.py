"""Which step a call of MLflow belongs to: that of its thread, or, in a thread that user code made, the one that runs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .steps import StepTracking

_here = threading.local()
_running: list[StepTracking] = []
_lock = threading.Lock()


def push(step: StepTracking) -> None:
    """Make `step` the one that runs in this thread."""
    with _lock:
        _running.append(step)
    _stack().append(step)


def pop(step: StepTracking) -> None:
    """Take `step` away again, from whichever thread."""
    with _lock:
        _running.remove(step)
    if step in _stack():
        _stack().remove(step)


def current_step() -> StepTracking | None:
    """Return the step that a call in this thread belongs to.

    A thread that is not a step's own belongs to the running step; of several, to the first that has no
    child run of its own, because that one's run is the run of them all.
    """
    own = _stack()
    if own:
        return own[-1]
    running = list(_running)
    if len(running) <= 1:
        return running[0] if running else None
    return next((step for step in running if not step.is_nested), running[0])


def step_of(run_id: str) -> StepTracking | None:
    """Return the step that writes to an MLflow run, this thread's first."""
    for step in [*reversed(_stack()), *list(_running)]:
        if step.run_id == run_id:
            return step
    return None


def is_own_thread() -> bool:
    """Say whether this thread runs a step itself."""
    return bool(_stack())


def is_any() -> bool:
    """Say whether a step runs in this process."""
    return bool(_running)


def forget() -> None:
    """Know of no step any more, in a process that inherited them and runs none itself."""
    _running.clear()
    _stack().clear()


def renew_lock() -> None:
    """Take a new lock in a forked child, where a thread that is not there may hold the old one."""
    global _lock
    _lock = threading.Lock()


def _stack() -> list[StepTracking]:
    stack: list[StepTracking] | None = getattr(_here, "stack", None)
    if stack is None:
        stack = _here.stack = []
    return stack
