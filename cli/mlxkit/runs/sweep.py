"""The sweep: runs whose process vanished are closed, here and on their tracker, by the next command that looks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ..stacks.protocols import ExperimentTracker
from .detached.place import detached_ids
from .history import History
from .liveness import is_alive


def sweep(history: History, tracker: Callable[[str], ExperimentTracker]) -> list[str]:
    """Mark runs without a living process as interrupted and close their tracker runs; returns their ids.

    A tracker that does not answer, or is not registered any more, is asked again by a later command.
    """
    gone = [run_id for run_id in history.running() if not is_alive(history.alive_dir, run_id)]
    if gone:  # of one that was detached its cluster knows, and that is not asked here
        elsewhere = detached_ids(history)
        gone = [run_id for run_id in gone if run_id not in elsewhere]
    for run_id in gone:
        history.mark_interrupted(run_id, _last_written(history.state_dir / "logs" / run_id))
    for run_id, orphan, status in history.orphaned_tracker_runs():
        closed = False
        with suppress(Exception):  # whatever is wrong with a tracker must not keep a listing from its answer
            closed = tracker(orphan.tracker).close_orphan(orphan, status)
            if closed:
                history.add_measures(run_id, orphan, tracker(orphan.tracker).measures_of(orphan))
        history.settle_tracker_run(run_id, orphan, closed=closed)
    return gone


def _last_written(folder: Path) -> float | None:
    """Return when a run last printed something; None when it never did."""
    with suppress(OSError):
        return max((path.stat().st_mtime for path in folder.iterdir()), default=None)
    return None
