"""History: what is written about runs while they go on, and the look-ups that a run needs."""

from __future__ import annotations

import json
import os
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from sqlite3 import Connection, Row
from typing import Any

from ..errors import MlxError
from ..stacks.protocols import FinalStatus, Measured, TrackerRun
from . import known
from .records import RunRecord, StepRecord
from .rows import dump, marks, output, output_row, run_row, step_row, write_measures
from .schema import connect, connect_in_memory, connect_to_read, damaged, transaction

_RUN = "id, name, pipeline, stack, status, started, ended, kind, file, parameters, metadata, code, environment, error"
# What a run is read with: its columns, and its tags as a JSON list.
_RUN_READ = f"{_RUN}, (SELECT json_group_array(tag) FROM run_tags WHERE run_id = runs.id) AS tags"
# A detached run is there already when it begins: what was known when it was submitted is replaced.
_SUBMITTED = (
    "ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in _RUN.split(", ") if column != "id")
    + " WHERE runs.status = 'running'"
)
_STEP = (
    "id, run_id, name, position, status, started, ended, attempts, cache_key, cached_from, reason, "
    "parameters, inputs, metadata, parts, error"
)
_KEYED = "('completed', 'failed', 'cached')"  # statuses of steps that have a cache key's parts
_LOOKED_AT = 300  # steps of one name, and runs of one pipeline
_OUTPUT = "step_id, name, position, digest, materializer, type, size, uri, summary, inline"


def history_path(state_dir: Path) -> Path:
    return state_dir / "history.db"


_open: weakref.WeakSet[History] = weakref.WeakSet()


def close_inherited() -> None:
    """Close, in a process that was forked, the connections of the one that it comes from.

    SQLite takes the locks of a file that is open already for this process' own, which they are not after a fork: what
    the child wrote would be lost when the other one closes the file.
    """
    for history in list(_open):
        history.close()


class History:
    """The run history of one project; safe for several processes at once, one short transaction a write."""

    def __init__(
        self, state_dir: Path, *, is_read: bool = False, connection: Connection | None = None
    ) -> None:
        self.state_dir = state_dir
        self.alive_dir = state_dir / "running"
        self.connection = connection or (connect_to_read if is_read else connect)(history_path(state_dir))
        self._lock = threading.RLock()
        _open.add(self)

    @classmethod
    def to_read(cls, state_dir: Path) -> History:
        """Open the history to read it only, in a project that may be read-only, or where nothing ever ran."""
        return cls(state_dir, is_read=True)

    @classmethod
    def in_memory(cls) -> History:
        """Make an empty history for runs of others, to search them as one searches one's own."""
        return cls(Path(os.devnull), connection=connect_in_memory())

    def take_over(self, runs: Sequence[tuple[RunRecord, Measured]]) -> None:
        """Take runs that others recorded, with what they measured; one that is there already is replaced."""
        with self._lock, transaction(self.connection) as db:
            for run, measured in runs:
                db.execute(f"INSERT OR REPLACE INTO runs ({_RUN}) VALUES ({marks(_RUN)})", run_row(run))
                db.executemany(
                    "INSERT OR IGNORE INTO run_tags VALUES (?, ?)", [(run.id, tag) for tag in run.tags]
                )
                write_measures(db, run.id, measured, "REPLACE")

    def close(self) -> None:
        self.connection.close()

    # -- runs

    def begin_run(self, run: RunRecord, environment: Mapping[str, Any], digest: str) -> None:
        """Record a run that starts now, together with its environment (kept once for many runs).

        Raises MlxError for one that is over: its job was started again.
        """
        run = replace(run, environment=digest)
        with self._lock, transaction(self.connection) as db:
            db.execute("INSERT OR IGNORE INTO environments VALUES (?, ?)", (digest, dump(environment)))
            done = db.execute(f"INSERT INTO runs ({_RUN}) VALUES ({marks(_RUN)}) {_SUBMITTED}", run_row(run))
            if not done.rowcount:
                raise MlxError(
                    f"run {run.id} is over: it cannot begin again", hint=f"mlx runs rerun {run.id}"
                )
            db.executemany(
                "INSERT OR IGNORE INTO run_tags VALUES (?, ?)", [(run.id, tag) for tag in run.tags]
            )
        known.begun(self.state_dir, run)

    def finish_run(
        self,
        run_id: str,
        status: str,
        *,
        error: str = "",
        metadata: Mapping[str, Any] | None = None,
        measured: Measured | None = None,
        close_trackers: bool = True,
    ) -> None:
        """Give a run its final status; `close_trackers=False` leaves the tracker's runs to the sweep."""
        with self._lock, transaction(self.connection) as db:
            db.execute(
                "UPDATE runs SET status = ?, ended = ?, error = ? WHERE id = ?",
                (status, time.time(), error, run_id),
            )
            if metadata:
                db.execute("UPDATE runs SET metadata = ? WHERE id = ?", (dump(metadata), run_id))
            if measured is not None:
                write_measures(db, run_id, measured, "REPLACE")
            if close_trackers:
                db.execute("UPDATE tracker_runs SET is_open = 0 WHERE run_id = ?", (run_id,))

    def update_code(self, run_id: str, code: Mapping[str, Any]) -> None:
        """Complete what is known of a run's code: modules can be imported until its end."""
        with self._lock, transaction(self.connection) as db:
            db.execute("UPDATE runs SET code = ? WHERE id = ?", (dump(code), run_id))

    def record_step(self, step: StepRecord) -> None:
        """Commit one step with its outputs."""
        with self._lock, transaction(self.connection) as db:
            db.execute(f"INSERT INTO steps ({_STEP}) VALUES ({marks(_STEP)})", step_row(step))
            if step.outputs:
                db.executemany(
                    f"INSERT INTO outputs ({_OUTPUT}) VALUES ({marks(_OUTPUT)})",
                    [output_row(step.id, index, item) for index, item in enumerate(step.outputs)],
                )

    def complete_step(self, step: StepRecord) -> None:
        """Add to a step that is recorded already: its metadata as it is now, and outputs that came later."""
        with self._lock, transaction(self.connection) as db:
            db.execute("UPDATE steps SET metadata = ? WHERE id = ?", (dump(step.metadata), step.id))
            db.executemany(
                f"INSERT OR REPLACE INTO outputs ({_OUTPUT}) VALUES ({marks(_OUTPUT)})",
                [output_row(step.id, index, item) for index, item in enumerate(step.outputs)],
            )

    def find_cached(self, cache_key: str) -> StepRecord | None:
        """Return the newest completed step run with this cache key.

        Where its run was deleted a step that was served from it stands for it, under its id: what was made is the same.
        """
        with self._lock:
            for status in ("completed", "cached"):
                row = self.connection.execute(
                    f"SELECT {_STEP} FROM steps WHERE cache_key = ? AND status = '{status}' ORDER BY started DESC LIMIT 1",
                    (cache_key,),
                ).fetchone()
                if row is not None:
                    found = self._step(row)
                    return found if status == "completed" else replace(found, id=found.cached_from)
        return None

    def last_parts(self, pipeline: str, step: str) -> dict[str, str] | None:
        """Return the cache key's parts of the last time this step came by in this pipeline.

        Of many steps of that name, and of many runs of the pipeline, the newest few hundred are looked at: a pipeline
        that is new among 100,000 runs of others does not wait for them.
        """
        with self._lock:
            looked_at = 0
            found = self.connection.execute(
                "SELECT steps.id, runs.pipeline FROM steps JOIN runs ON runs.id = steps.run_id "
                f"WHERE steps.name = ? AND steps.status IN {_KEYED} ORDER BY steps.started DESC LIMIT ?",
                (step, _LOOKED_AT),
            )
            for row in found:
                if row["pipeline"] == pipeline:
                    return self._parts("SELECT parts FROM steps WHERE id = ?", row["id"])
                looked_at += 1
            if looked_at < _LOOKED_AT:  # those were all
                return None
            return self._parts(
                "SELECT s.parts FROM (SELECT id FROM runs WHERE pipeline = ? ORDER BY started DESC LIMIT ?) r "
                f"JOIN steps s ON s.run_id = r.id WHERE s.name = ? AND s.status IN {_KEYED} ORDER BY s.started DESC LIMIT 1",
                pipeline, _LOOKED_AT, step,
            )  # fmt: skip

    def _parts(self, query: str, *values: Any) -> dict[str, str] | None:
        row = self.connection.execute(query, values).fetchone()
        parts: dict[str, str] | None = json.loads(row["parts"]) if row else None
        return parts

    # -- trackers

    def add_tracker_run(self, run_id: str, run: TrackerRun) -> None:
        """Remember a tracker's run before user code writes to it, so that a crash does not leave it open."""
        with self._lock, transaction(self.connection) as db:
            db.execute(
                "INSERT OR REPLACE INTO tracker_runs VALUES (?, ?, ?, ?, ?, 1, 0)",
                (run_id, run.tracker, run.tracking_uri, run.run_id, int(run.parent)),
            )

    def orphaned_tracker_runs(self) -> list[tuple[str, TrackerRun, FinalStatus]]:
        """Return tracker runs still open although their run is over and how it ended, that are due for another try."""
        with self._lock:
            rows = self.connection.execute(
                "SELECT t.*, r.status FROM tracker_runs t JOIN runs r ON r.id = t.run_id "
                "WHERE t.is_open = 1 AND r.status != 'running' AND t.retry_at <= ?",
                (time.time(),),
            ).fetchall()
        return [
            (
                row["run_id"],
                TrackerRun(row["tracker"], row["tracking_uri"], row["tracker_run_id"], bool(row["parent"])),
                row["status"] if row["status"] in ("completed", "failed") else "killed",
            )
            for row in rows
        ]

    def settle_tracker_run(
        self, run_id: str, run: TrackerRun, *, closed: bool, retry_after: float = 60.0
    ) -> None:
        """Note that a tracker's run was closed, or when to try again."""
        with self._lock, transaction(self.connection) as db:
            if closed:
                db.execute(
                    "UPDATE tracker_runs SET is_open = 0 WHERE run_id = ? AND tracker_run_id = ?",
                    (run_id, run.run_id),
                )
            else:
                db.execute(
                    "UPDATE tracker_runs SET retry_at = ? WHERE run_id = ? AND tracker_run_id = ?",
                    (time.time() + retry_after, run_id, run.run_id),
                )

    def add_measures(self, run_id: str, run: TrackerRun, measured: Measured) -> None:
        """Add what one tracker run holds; a parent's value counts before that of its children."""
        with self._lock, transaction(self.connection) as db:
            write_measures(db, run_id, measured, "REPLACE" if run.parent else "IGNORE")

    def mark_interrupted(self, run_id: str, last_seen: float | None = None) -> None:
        """Say of a running run that its process vanished; leaves `tracker_runs` open for the sweep.

        It ended with its last step, or when it was `last_seen`; where there is neither nobody knows.
        """
        with self._lock, transaction(self.connection) as db:
            db.execute(
                "UPDATE runs SET status = 'interrupted', ended = (SELECT MAX(seen) FROM (SELECT MAX(ended) AS seen FROM steps "
                "WHERE run_id = ?1 UNION ALL SELECT ?2) WHERE seen >= runs.started), "
                "error = 'the process ended without a word (killed, or the machine stopped)' WHERE id = ?1 AND status = 'running'",
                (run_id, last_seen),
            )

    def running(self) -> list[str]:
        """Return the ids of runs without an end."""
        with self._lock:
            return [
                row["id"] for row in self.connection.execute("SELECT id FROM runs WHERE status = 'running'")
            ]

    # -- rows to records, shared with the queries

    def _step(self, row: Row) -> StepRecord:
        outputs = self.connection.execute(
            f"SELECT {_OUTPUT} FROM outputs WHERE step_id = ? ORDER BY position", (row["id"],)
        )
        return StepRecord(
            **{
                **dict(row),
                "parameters": json.loads(row["parameters"]),
                "inputs": json.loads(row["inputs"]),
                "metadata": json.loads(row["metadata"]),
                "parts": json.loads(row["parts"]),
                "outputs": tuple(output(item) for item in outputs),
            }
        )

    def _run(self, row: Row) -> RunRecord:
        try:
            read = {key: json.loads(row[key]) for key in ("parameters", "metadata", "code")}
        except ValueError as error:
            raise damaged(self.connection, row["id"]) from error
        return RunRecord(**{**dict(row), **read, "tags": tuple(json.loads(row["tags"]))})
