"""The local store, written to directly: importing MLflow for five small rows would cost two seconds.

Only tables that look as expected are written to; for any other MLflow's own client does it (`client_backend`).
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Mapping, Sequence

from ...stacks.protocols import Measured
from ...stacks.tags import RUN_ID
from .backend import MAX_PARAM, MAX_TAG, cut, deleted_experiment, mlflow_status, now_ms
from .connection import Connection
from .local_store import LocalStore
from .metric_values import value_of

_WRITTEN = {
    "experiments": {"experiment_id", "name", "artifact_location", "lifecycle_stage", "creation_time", "last_update_time"},
    "runs": {
        "run_uuid", "name", "source_type", "source_name", "entry_point_name", "user_id", "status", "start_time", "end_time",
        "source_version", "lifecycle_stage", "artifact_uri", "experiment_id",
    },
    "params": {"key", "value", "run_uuid"},
    "tags": {"key", "value", "run_uuid"},
}  # fmt: skip


class SqliteBackend:
    """Writes runs into MLflow's SQLite tables, one short transaction a call."""

    def __init__(self, store: LocalStore, to: Connection) -> None:
        self._store = store
        self._to = to

    @staticmethod
    def understands(store: LocalStore) -> bool:
        """Say whether the tables have the columns we write, and no further one that must be filled in."""
        with store.connection() as db:
            return all(fits(db, table, columns) for table, columns in _WRITTEN.items())

    def experiment(self, name: str) -> str:
        with self._store.connection() as db:
            row = db.execute(
                "SELECT experiment_id, lifecycle_stage FROM experiments WHERE name = ?", (name,)
            ).fetchone()
            if row is None:
                return self._create_experiment(db, name)
        if row[1] == "deleted":
            raise deleted_experiment(self._to, name)
        return str(row[0])

    def create_run(self, experiment_id: str, name: str, tags: Mapping[str, str]) -> str:
        run_id = uuid.uuid4().hex
        with self._store.connection() as db:
            (location,) = db.execute(
                "SELECT artifact_location FROM experiments WHERE experiment_id = ?", (experiment_id,)
            ).fetchone()
            db.execute(
                "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, "
                "source_version, lifecycle_stage, artifact_uri, experiment_id) "
                "VALUES (?, ?, 'UNKNOWN', '', '', ?, 'RUNNING', ?, '', 'active', ?, ?)",
                (
                    run_id,
                    name[:250],
                    tags.get("mlflow.user", ""),
                    now_ms(),
                    f"{location}/{run_id}/artifacts",
                    experiment_id,
                ),
            )
            _set(db, "tags", run_id, cut({"mlflow.runName": name, **tags}, MAX_TAG))
        return run_id

    def log(
        self, run_id: str, *, params: Mapping[str, str] | None = None, tags: Mapping[str, str] | None = None
    ) -> None:
        with self._store.connection() as db:
            _set(db, "params", run_id, cut(params, MAX_PARAM))
            _set(db, "tags", run_id, cut(tags, MAX_TAG))

    def attach(self, run_id: str, name: str, content: bytes) -> None:
        from .attachments import attach

        with self._store.connection() as db:
            row = db.execute("SELECT artifact_uri FROM runs WHERE run_uuid = ?", (run_id,)).fetchone()
        attach(self._to, None, str(row[0]), name, content)

    def rename(self, run_id: str, name: str) -> None:
        with self._store.connection() as db:
            db.execute("UPDATE runs SET name = ? WHERE run_uuid = ?", (name[:250], run_id))
            _set(db, "tags", run_id, [("mlflow.runName", name)])

    def end(self, run_id: str, status: str) -> None:
        with self._store.connection() as db:
            db.execute(
                "UPDATE runs SET status = ?, end_time = ? WHERE run_uuid = ?",
                (mlflow_status(status), now_ms(), run_id),
            )

    def discard(self, run_id: str) -> None:
        self.end(run_id, "killed")
        with self._store.connection() as db:
            db.execute("UPDATE runs SET lifecycle_stage = 'deleted' WHERE run_uuid = ?", (run_id,))

    def tagged(
        self, experiment_ids: Sequence[str], tags: Mapping[str, str], *, is_running: bool = False
    ) -> list[tuple[str, Mapping[str, str]]]:
        joined = "".join(
            f' JOIN tags t{index} ON t{index}.run_uuid = r.run_uuid AND t{index}."key" = ? AND t{index}.value = ?'
            for index in range(len(tags))
        )
        marks = ", ".join("?" * len(experiment_ids))
        status = " AND r.status = 'RUNNING'" if is_running else ""
        values = [text for pair in tags.items() for text in pair]
        with self._store.connection() as db:
            found = db.execute(
                # By the order in which they were written: two processes that look see the same one first.
                f"SELECT r.run_uuid FROM runs r{joined} WHERE r.experiment_id IN ({marks}) "  # noqa: S608
                f"AND r.lifecycle_stage = 'active'{status} ORDER BY r.rowid",
                [*values, *map(int, experiment_ids)],
            ).fetchall()
            return [
                (run_id, dict(db.execute('SELECT "key", value FROM tags WHERE run_uuid = ?', (run_id,))))
                for (run_id,) in found
            ]

    def is_running(self, run_id: str) -> bool:
        with self._store.connection() as db:
            row = db.execute("SELECT status FROM runs WHERE run_uuid = ?", (run_id,)).fetchone()
        return row is not None and row[0] == "RUNNING"

    def close_orphan(self, run_id: str, status: str) -> None:
        self.end(run_id, status)

    def measures(self, run_ids: Sequence[str]) -> Mapping[str, Measured]:
        found: dict[str, tuple[dict[str, float], dict[str, str]]] = {run_id: ({}, {}) for run_id in run_ids}
        with self._store.connection() as db:
            for run_id, (metrics, params) in found.items():
                for key, value, is_nan in db.execute(
                    "SELECT key, value, is_nan FROM latest_metrics WHERE run_uuid = ?", (run_id,)
                ):
                    metrics[key] = float("nan") if is_nan else value_of(value)
                params.update(db.execute("SELECT key, value FROM params WHERE run_uuid = ?", (run_id,)))
        return found

    def find(self, run: str) -> tuple[str, str] | None:
        with self._store.connection() as db:
            row = db.execute("SELECT experiment_id, run_uuid FROM runs WHERE run_uuid = ?", (run,)).fetchone()
            row = (
                row
                or db.execute(
                    "SELECT r.experiment_id, r.run_uuid FROM runs r JOIN tags t ON t.run_uuid = r.run_uuid "
                    "WHERE t.key = ? AND t.value = ? ORDER BY r.start_time LIMIT 1",
                    (RUN_ID, run),
                ).fetchone()
            )
        return (str(row[0]), str(row[1])) if row else None

    def _create_experiment(self, db: sqlite3.Connection, name: str) -> str:
        made = db.execute(
            "INSERT INTO experiments (name, lifecycle_stage, creation_time, last_update_time) VALUES (?, 'active', ?, ?)",
            (name, now_ms(), now_ms()),
        ).lastrowid
        location = f"{self._store.artifact_root}/{made}"
        db.execute("UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (location, made))
        return str(made)


def fits(db: sqlite3.Connection, table: str, written: set[str]) -> bool:
    """Say whether a table has the columns that are written, and no further one that must be filled in."""
    columns = {row[1]: row for row in db.execute(f"PRAGMA table_info({table})")}
    must = {name for name, row in columns.items() if row[3] and row[4] is None}
    return written <= set(columns) and must <= written


def _set(db: sqlite3.Connection, table: str, run_id: str, pairs: list[tuple[str, str]]) -> None:
    db.executemany(
        f'INSERT INTO {table} ("key", value, run_uuid) VALUES (?, ?, ?) ON CONFLICT ("key", run_uuid) DO UPDATE SET value = excluded.value',  # noqa: S608
        [(key, value, run_id) for key, value in pairs],
    )
