"""History: what is written about runs while they go on, and the look-ups that a run needs."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from sqlite3 import Connection, Row
from typing import Any

from ..stacks.protocols import FinalStatus, Measured, TrackerRun
from . import known
from .records import OutputRecord, RunRecord, StepRecord
from .schema import connect, connect_in_memory, connect_to_read, damaged, transaction

_RUN = "id, name, pipeline, stack, status, started, ended, kind, file, parameters, metadata, code, environment, error"
# What a run is read with: its columns, and its tags as a JSON list.
_RUN_READ = f"{_RUN}, (SELECT json_group_array(tag) FROM run_tags WHERE run_id = runs.id) AS tags"
# A detached run is there already when it begins: what was known when it was submitted is replaced.
_SUBMITTED = "ON CONFLICT (id) DO UPDATE SET " + ", ".join(
    f"{column} = excluded.{column}" for column in _RUN.split(", ") if column != "id"
)
_STEP = (
    "id, run_id, name, position, status, started, ended, attempts, cache_key, cached_from, reason, "
    "parameters, inputs, metadata, parts, error"
)
_OUTPUT = "step_id, name, position, digest, materializer, type, size, uri, summary, inline"


def history_path(state_dir: Path) -> Path:
    return state_dir / "history.db"


class History:
    """The run history of one project; safe for several processes at once, one short transaction a write."""

    def __init__(
        self, state_dir: Path, *, is_read: bool = False, connection: Connection | None = None
    ) -> None:
        self.state_dir = state_dir
        self.alive_dir = state_dir / "running"
        self.connection = connection or (connect_to_read if is_read else connect)(history_path(state_dir))
        self._lock = threading.RLock()

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
                db.execute(f"INSERT OR REPLACE INTO runs ({_RUN}) VALUES ({_marks(_RUN)})", _run_row(run))
                db.executemany(
                    "INSERT OR IGNORE INTO run_tags VALUES (?, ?)", [(run.id, tag) for tag in run.tags]
                )
                _write_measures(db, run.id, measured, "REPLACE")

    def close(self) -> None:
        self.connection.close()

    # -- runs

    def begin_run(self, run: RunRecord, environment: Mapping[str, Any], digest: str) -> None:
        """Record a run that starts now, together with its environment (kept once for many runs)."""
        run = replace(run, environment=digest)
        with self._lock, transaction(self.connection) as db:
            db.execute("INSERT OR IGNORE INTO environments VALUES (?, ?)", (digest, _dump(environment)))
            db.execute(f"INSERT INTO runs ({_RUN}) VALUES ({_marks(_RUN)}) {_SUBMITTED}", _run_row(run))
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
                db.execute("UPDATE runs SET metadata = ? WHERE id = ?", (_dump(metadata), run_id))
            if measured is not None:
                _write_measures(db, run_id, measured, "REPLACE")
            if close_trackers:
                db.execute("UPDATE tracker_runs SET is_open = 0 WHERE run_id = ?", (run_id,))

    def update_code(self, run_id: str, code: Mapping[str, Any]) -> None:
        """Complete what is known of a run's code: modules can be imported until its end."""
        with self._lock, transaction(self.connection) as db:
            db.execute("UPDATE runs SET code = ? WHERE id = ?", (_dump(code), run_id))

    def record_step(self, step: StepRecord) -> None:
        """Commit one step with its outputs."""
        with self._lock, transaction(self.connection) as db:
            db.execute(f"INSERT INTO steps ({_STEP}) VALUES ({_marks(_STEP)})", _step_row(step))
            if step.outputs:
                db.executemany(
                    f"INSERT INTO outputs ({_OUTPUT}) VALUES ({_marks(_OUTPUT)})",
                    [_output_row(step.id, index, item) for index, item in enumerate(step.outputs)],
                )

    def complete_step(self, step: StepRecord) -> None:
        """Add to a step that is recorded already: its metadata as it is now, and outputs that came later."""
        with self._lock, transaction(self.connection) as db:
            db.execute("UPDATE steps SET metadata = ? WHERE id = ?", (_dump(step.metadata), step.id))
            db.executemany(
                f"INSERT OR REPLACE INTO outputs ({_OUTPUT}) VALUES ({_marks(_OUTPUT)})",
                [_output_row(step.id, index, item) for index, item in enumerate(step.outputs)],
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
        """Return the cache key's parts of the last time this step ran in this pipeline."""
        with self._lock:
            row = self.connection.execute(
                "SELECT steps.parts FROM steps JOIN runs ON runs.id = steps.run_id "
                "WHERE steps.name = ? AND runs.pipeline = ? AND steps.status IN ('completed', 'failed') "
                "ORDER BY steps.started DESC LIMIT 1",
                (step, pipeline),
            ).fetchone()
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
            _write_measures(db, run_id, measured, "REPLACE" if run.parent else "IGNORE")

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
                "outputs": tuple(_output(item) for item in outputs),
            }
        )

    def _run(self, row: Row) -> RunRecord:
        try:
            read = {key: json.loads(row[key]) for key in ("parameters", "metadata", "code")}
        except ValueError as error:
            raise damaged(self.connection, row["id"]) from error
        return RunRecord(**{**dict(row), **read, "tags": tuple(json.loads(row["tags"]))})


def _write_measures(db: Connection, run_id: str, measured: Measured, on_conflict: str) -> None:
    metrics, params = measured
    rows: list[tuple[str, str, str, float | str]] = [
        (run_id, "metric", key, "nan" if value != value else float(value)) for key, value in metrics.items()
    ]
    rows += [(run_id, "param", key, value) for key, value in params.items()]
    db.executemany(f"INSERT OR {on_conflict} INTO run_measures VALUES (?, ?, ?, ?)", rows)


def _run_row(run: RunRecord) -> tuple[Any, ...]:
    return (
        run.id, run.name, run.pipeline, run.stack, run.status, run.started, run.ended, run.kind, run.file,
        _dump(run.parameters), _dump(run.metadata), _dump(run.code), run.environment, run.error,
    )  # fmt: skip


def _step_row(step: StepRecord) -> tuple[Any, ...]:
    return (
        step.id, step.run_id, step.name, step.position, step.status, step.started, step.ended, step.attempts,
        step.cache_key, step.cached_from, step.reason, _dump(step.parameters), _dump(step.inputs),
        _dump(step.metadata), _dump(step.parts), step.error,
    )  # fmt: skip


def _output_row(step_id: str, position: int, item: OutputRecord) -> tuple[Any, ...]:
    return (
        step_id, item.name, position, item.digest, item.materializer, item.type, item.size, item.uri,
        _dump(item.summary), item.inline,
    )  # fmt: skip


def _output(row: Row) -> OutputRecord:
    data = {**dict(row), "summary": json.loads(row["summary"])}
    del data["step_id"], data["position"]
    return OutputRecord(**data)


def _dump(value: Any) -> str:
    """Return JSON in which a text can be found as it is written."""
    text = json.dumps(value, default=str, separators=(",", ":"), ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a character, as names of files can have it
        return json.dumps(value, default=str, separators=(",", ":"))
    return text


def _marks(columns: str) -> str:
    return ", ".join("?" * (columns.count(",") + 1))
