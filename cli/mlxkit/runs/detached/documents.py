"""What a run left in one history, as a document that another history can take: rows as they are, nothing derived.

Taking it again, or an older one and then a newer one, ends with what the last one says. Whoever can write to the store
can write one: it is believed about the runs of its job and about nothing else (`reading`).
"""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Mapping, Sequence
from sqlite3 import Connection
from typing import Any

from ...errors import MlxError
from ..history import History
from ..schema import transaction
from ..tagging import settled
from .place import KEY, Place
from .reading import TABLES, VERSION, UnreadableError, is_id, read_document, rows_of

_KEPT = ("environments",)  # rows that other runs share: added, never replaced


def document_of(history: History, run_id: str) -> bytes | None:
    """Return all that a history has of a run; None when it has none of it."""
    db = history.connection
    db.execute("BEGIN")  # one state of it, not several
    try:
        tables = {name: _rows(db, name, run_id) for name in TABLES}
    finally:
        db.execute("ROLLBACK")
    if not tables["runs"]:
        return None
    return json.dumps({"version": VERSION, "run": run_id, "tables": tables}, separators=(",", ":")).encode()


def error_document(run_id: str, error: str) -> bytes:
    """Return what is told of a run that failed before it could begin."""
    return json.dumps({"version": VERSION, "run": run_id, "error": error}).encode()


def is_of_job(history: History, run_id: str, place: Place) -> bool:
    """Say whether a run may be one of a job's: the one that was submitted, one that it made, or one unknown here."""
    if not is_id(run_id):
        return False
    known = _job_of(history.connection, run_id)
    return run_id == place.run or known is None or known == place.job


def take_document(history: History, content: bytes, place: Place, run: str | None = None) -> str:
    """Write what a document says of a run, of `run` where that is given, over what was known of it; returns the run's id.

    Raises MlxError for one that cannot be read, or that is about a run which is not the job's.
    """
    try:
        told = read_document(content)
        run_id: str = told["run"]
        if told["version"] > VERSION:
            raise MlxError(
                f"job {place.job} wrote of its run as a newer mlx does", hint="pip install -U mlxkit"
            )
        if run_id != (run or run_id) or not is_of_job(history, run_id, place):
            raise MlxError(f"job {place.job} wrote of run {run_id}, which is not its own")
        if "tables" not in told:
            _fail(history, run_id, told.get("error", ""))
        else:
            _take(history, told, place)
    except (UnreadableError, sqlite3.Error) as error:
        raise MlxError(f"what job {place.job} wrote of its run cannot be read: {error}") from error
    return run_id


def _take(history: History, told: Mapping[str, Any], place: Place) -> None:
    run_id = told["run"]
    with transaction(history.connection) as db:
        before = db.execute("SELECT status FROM runs WHERE id = ?", (run_id,)).fetchone()
        if before is None and run_id == place.run:
            raise MlxError(f"run {run_id} is not in the history any more")
        if before is not None and before["status"] != "running":
            return  # somebody else has taken all of it, or settled it
        rows = rows_of(db, told, place)
        here = _rows(db, "run_tags", run_id)  # also what was tagged here since it was submitted
        tags = settled([row["tag"] for row in (*rows["run_tags"], *here)])
        rows["run_tags"] = [{"run_id": run_id, "tag": tag} for tag in tags]
        db.execute("DELETE FROM runs WHERE id = ?", (run_id,))  # and all that hangs on it
        for name in TABLES:
            _write(db, name, rows[name])


def _fail(history: History, run_id: str, error: str) -> None:
    with transaction(history.connection) as db:
        still = db.execute("SELECT 1 FROM runs WHERE id = ? AND status = 'running'", (run_id,)).fetchone()
    if still is not None:
        history.finish_run(run_id, "failed", error=error)


def _job_of(db: Connection, run_id: str) -> str | None:
    """Return the job of a run that is known here, which is nothing for one of this machine."""
    row = db.execute(
        f"SELECT COALESCE(json_extract(metadata, '$.{KEY}.job'), '') AS job FROM runs WHERE id = ?", (run_id,)
    ).fetchone()
    return None if row is None else str(row["job"])


def _rows(db: Connection, table: str, run_id: str) -> list[dict[str, Any]]:
    found = db.execute(f"SELECT * FROM {table} WHERE {TABLES[table]}", (run_id,))
    return [{key: _told(row[key]) for key in row.keys()} for row in found]  # noqa: SIM118  a Row is no mapping


def _write(db: Connection, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows; one under the id of another run's is an error of the database."""
    verb = "INSERT OR IGNORE" if table in _KEPT else "INSERT"
    for row in rows:
        db.execute(
            f"{verb} INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", list(row.values())
        )


def _told(value: Any) -> Any:
    return {"base64": base64.b64encode(value).decode("ascii")} if isinstance(value, bytes) else value
