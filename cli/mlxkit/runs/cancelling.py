"""Ending a run of this machine that goes on in another process: asked as Ctrl-C asks it."""

from __future__ import annotations

import os
import signal
import time

from ..errors import MlxError, UsageError
from .history import History
from .liveness import holder, is_alive
from .queries import RunQueries
from .records import RunRecord

PATIENCE = 15.0  # seconds that a run has for ending in order
_PAUSE = 0.1


def cancel_here(history: History, run: RunRecord, *, patience: float | None = None) -> RunRecord:
    """Interrupt the process of a run, wait for its end, and return the record as it is then.

    Raises MlxError when no process of this machine, or one that may not be told from here, holds the run.
    """
    if not is_alive(history.alive_dir, run.id):
        raise MlxError(
            f"no process of this machine has run {run.name!r}: it has just ended, or runs on another host",
            hint=f"mlx runs describe {run.id}",
        )
    pid = holder(history.alive_dir, run.id)
    if pid is None:
        raise MlxError(
            f"which process has run {run.name!r} cannot be found out on this system",
            hint="press Ctrl-C there",
        )
    if pid == os.getpid():
        raise UsageError("a run cannot cancel itself from inside: raise KeyboardInterrupt")
    try:
        os.kill(pid, signal.SIGINT)
    except ProcessLookupError:
        pass
    except PermissionError as error:
        raise MlxError(f"process {pid} has run {run.name!r}, and belongs to another user") from error
    deadline = time.monotonic() + (PATIENCE if patience is None else patience)
    queries = RunQueries(history)
    while queries.get(run.id).status == "running" and time.monotonic() < deadline:
        time.sleep(_PAUSE)
        if not is_alive(history.alive_dir, run.id) and queries.get(run.id).status == "running":
            history.mark_interrupted(run.id, time.time())
    return queries.get(run.id)
