"""The words of a run written again: what it was given turned out to be a secret while it ran."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from . import known
from .history import History
from .records import RunRecord, StepRecord
from .rows import dump
from .schema import transaction


def reword(history: History, before: RunRecord, after: RunRecord, steps: Sequence[StepRecord]) -> bool:
    """Write a run's name, parameters, metadata and tags again, and its steps' parameters.

    Returns whether nothing of the old ones is left: the database's log keeps them while another process reads it.
    Tags that others gave the run meanwhile stay.
    """
    with history._lock:
        history.connection.execute("PRAGMA secure_delete = ON")
        with transaction(history.connection) as db:
            db.execute(
                "UPDATE runs SET name = ?, parameters = ?, metadata = ? WHERE id = ?",
                (after.name, dump(after.parameters), dump(after.metadata), after.id),
            )
            db.executemany(
                "UPDATE steps SET parameters = ? WHERE id = ?",
                [(dump(step.parameters), step.id) for step in steps],
            )
            gone = [tag for tag in before.tags if tag not in after.tags]
            db.executemany(
                "DELETE FROM run_tags WHERE run_id = ? AND tag = ?", [(after.id, tag) for tag in gone]
            )
            if gone:
                db.executemany(
                    "INSERT OR IGNORE INTO run_tags VALUES (?, ?)", [(after.id, tag) for tag in after.tags]
                )
        is_whole = _log_written_back(history)
    if before.name != after.name:
        known.deleted(history.state_dir, [after.id])
        known.begun(history.state_dir, after)
    return is_whole


def _log_written_back(history: History) -> bool:
    try:
        busy = history.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.OperationalError:  # a reader, or a full disk
        return False
    return not busy
