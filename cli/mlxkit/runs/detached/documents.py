"""What a run left in one history, as a document that another history can take: rows as they are, nothing derived.

Taking it again, or an older one and then a newer one, ends with what the last one says.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from sqlite3 import Connection
from typing import Any

from ...errors import MlxError
from ..history import History
from ..schema import transaction
from .place import Place

VERSION = 1
# Each table, and how its rows are found by the run.
_TABLES = {
    "runs": "id = ?1",
    "environments": "digest IN (SELECT environment FROM runs WHERE id = ?1)",
    "steps": "run_id = ?1",
    "outputs": "step_id IN (SELECT id FROM steps WHERE run_id = ?1)",
    "tracker_runs": "run_id = ?1",
    "run_tags": "run_id = ?1",
    "run_measures": "run_id = ?1",
}
_KEPT = ("environments",)  # rows that other runs share: added, never replaced


def document_of(history: History, run_id: str) -> bytes | None:
    """Return all that a history has of a run; None when it has none of it."""
    db = history.connection
    db.execute("BEGIN")  # one state of it, not several
    try:
        tables = {name: _rows(db, name, run_id) for name in _TABLES}
    finally:
        db.execute("ROLLBACK")
    if not tables["runs"]:
        return None
    return json.dumps({"version": VERSION, "run": run_id, "tables": tables}, separators=(",", ":")).encode()


def error_document(run_id: str, error: str) -> bytes:
    """Return what is told of a run that failed before it could begin."""
    return json.dumps({"version": VERSION, "run": run_id, "error": error}).encode()


def take_document(history: History, content: bytes, place: Place) -> str:
    """Write what a document says of a run over what was known of it, and return the run's id.

    Raises MlxError for one that cannot be read.
    """
    try:
        told = json.loads(content)
        run_id, version = str(told["run"]), int(told["version"])
        tables = told.get("tables")
    except (ValueError, KeyError, TypeError) as error:
        raise MlxError(f"what job {place.job} wrote of its run cannot be read: {error}") from error
    if version > VERSION:
        raise MlxError(f"job {place.job} wrote of its run as a newer mlx does", hint="pip install -U mlxkit")
    if tables is None:
        _fail(history, run_id, str(told.get("error", "")))
        return run_id
    with transaction(history.connection) as db:
        before = db.execute("SELECT status FROM runs WHERE id = ?", (run_id,)).fetchone()
        if before is None and run_id == place.run:
            raise MlxError(f"run {run_id} is not in the history any more")
        if before is not None and before["status"] != "running":
            return run_id  # somebody else has taken all of it, or settled it
        db.execute("DELETE FROM runs WHERE id = ?", (run_id,))  # and all that hangs on it
        for name in _TABLES:
            _write(db, name, tables.get(name) or ())
        row = db.execute("SELECT metadata FROM runs WHERE id = ?", (run_id,)).fetchone()
        if row is None:
            raise MlxError(f"what job {place.job} wrote of run {run_id} has no run in it")
        metadata = {**json.loads(row["metadata"]), **place.noted()}
        db.execute("UPDATE runs SET metadata = ? WHERE id = ?", (json.dumps(metadata), run_id))
    return run_id


def _fail(history: History, run_id: str, error: str) -> None:
    with transaction(history.connection) as db:
        still = db.execute("SELECT 1 FROM runs WHERE id = ? AND status = 'running'", (run_id,)).fetchone()
    if still is not None:
        history.finish_run(run_id, "failed", error=error)


def _rows(db: Connection, table: str, run_id: str) -> list[dict[str, Any]]:
    found = db.execute(f"SELECT * FROM {table} WHERE {_TABLES[table]}", (run_id,))
    return [{key: _told(row[key]) for key in row.keys()} for row in found]  # noqa: SIM118  a Row is no mapping


def _write(db: Connection, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows; what a column is called is taken from our own table, never from the document."""
    columns = [row["name"] for row in db.execute(f"PRAGMA table_info({table})")]
    verb = "IGNORE" if table in _KEPT else "REPLACE"
    for row in rows:
        names = [name for name in columns if name in row]
        db.execute(
            f"INSERT OR {verb} INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
            [_value(row[name]) for name in names],
        )


def _told(value: Any) -> Any:
    return {"base64": base64.b64encode(value).decode("ascii")} if isinstance(value, bytes) else value


def _value(told: Any) -> Any:
    return base64.b64decode(told["base64"]) if isinstance(told, dict) else told
