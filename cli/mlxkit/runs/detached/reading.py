"""A document of a run, read: it says something of its own run and of no other, each value of the kind that its column has."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Mapping
from sqlite3 import Connection
from typing import Any

from ...artifacts.store import RUN_LIMIT, uri_of
from ...artifacts.trust import mark
from ..records import FINISHED
from .place import Place

VERSION = 1
# Each table, and how its rows are found by the run.
TABLES = {
    "runs": "id = ?1",
    "environments": "digest IN (SELECT environment FROM runs WHERE id = ?1)",
    "steps": "run_id = ?1",
    "outputs": "step_id IN (SELECT id FROM steps WHERE run_id = ?1)",
    "tracker_runs": "run_id = ?1",
    "run_tags": "run_id = ?1",
    "run_measures": "run_id = ?1",
}
_ID = re.compile(r"[a-z0-9]{1,64}", re.ASCII)
_DIGEST = re.compile(r"[a-z0-9]{8,128}", re.ASCII)
_MAPS = {
    "runs": ("parameters", "metadata", "code"),
    "steps": ("parameters", "inputs", "metadata", "parts"),
    "outputs": ("summary",),
    "environments": ("body",),
}
_STATUSES = {
    "runs": ("running", *FINISHED),
    "steps": ("completed", "cached", "failed", "skipped", "killed"),
}

Rows = dict[str, list[dict[str, Any]]]


class UnreadableError(Exception):
    """A document is not what it should be; the text says why."""


def is_id(text: str) -> bool:
    """Say whether a text can be the id of a run or a step, and so the name of a folder."""
    return _ID.fullmatch(text) is not None


def read_document(content: bytes) -> dict[str, Any]:
    """Return what a document says, its envelope checked; raises UnreadableError."""
    if len(content) > RUN_LIMIT:
        raise UnreadableError(f"it has {len(content) >> 20} MiB")
    try:
        told = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UnreadableError("it is no JSON") from error
    if not isinstance(told, dict) or type(told.get("version")) is not int:
        raise UnreadableError("it is no document of a run")
    if not isinstance(told.get("run"), str) or not is_id(told["run"]):
        raise UnreadableError("it names no run")
    if not isinstance(told.get("tables", {}), dict) or not isinstance(told.get("error", ""), str):
        raise UnreadableError("it is no document of a run")
    return told


def rows_of(db: Connection, told: Mapping[str, Any], place: Place) -> Rows:
    """Return the rows of the document's run, each with that run's id and each output marked as written by the job.

    Raises UnreadableError. What a column is called and holds is taken from our own tables, never from the document.
    """
    run_id, tables = told["run"], told["tables"]
    found = {name: _table(db, name, tables.get(name) or []) for name in TABLES}
    if len(found["runs"]) != 1:
        raise UnreadableError("it has no run in it")
    for name, key in (("runs", "id"), ("steps", "run_id"), ("tracker_runs", "run_id"), ("run_tags", "run_id"), ("run_measures", "run_id")):  # fmt: skip
        if any(row[key] != run_id for row in found[name]):
            raise UnreadableError("it speaks of another run")
    steps = {row["id"] for row in found["steps"]}
    if len(steps) != len(found["steps"]) or not all(map(is_id, steps)):
        raise UnreadableError("its steps have no ids of their own")
    for row in found["outputs"]:
        if row["step_id"] not in steps:
            raise UnreadableError("it speaks of a step of another run")
        _check_output(row)
        row["summary"] = _text(mark(json.loads(row["summary"]), f"job {place.job}", run_id))
    (run,) = found["runs"]
    run["metadata"] = _text({**json.loads(run["metadata"]), **place.noted()})
    found["environments"] = _environment(run, found["environments"])
    return found


def _table(db: Connection, name: str, rows: Any) -> list[dict[str, Any]]:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UnreadableError(f"its {name} are no rows")
    columns = db.execute(f"PRAGMA table_info({name})").fetchall()
    read = []
    for row in rows:
        read.append({column["name"]: _value(row.get(column["name"]), column) for column in columns})
        for key in _MAPS.get(name, ()):
            _check_map(read[-1][key])
        if name in _STATUSES and read[-1]["status"] not in _STATUSES[name]:
            raise UnreadableError(f"its {name} have a status that there is not")
    return read


def _value(told: Any, column: Any) -> Any:
    """Return a value as its column takes it; raises UnreadableError for one of another kind."""
    kind, name = column["type"], column["name"]
    if told is None and not column["notnull"] and not column["pk"]:
        return None
    if kind == "BLOB" and isinstance(told, dict):
        try:
            return base64.b64decode(told["base64"], validate=True)
        except (ValueError, KeyError, TypeError) as error:
            raise UnreadableError(f"its {name} cannot be decoded") from error
    is_number = type(told) is int or (type(told) is float and math.isfinite(told))
    if kind == "INTEGER" and type(told) is int and -(2**63) <= told < 2**63:
        return told
    if kind == "REAL" and is_number and abs(told) < 1e15:
        return told
    if kind in ("TEXT", "") and isinstance(told, str) and _is_unicode(told):
        return told
    if kind == "" and (type(told) is float or (type(told) is int and abs(told) < 2**63)):  # what was measured
        return told
    raise UnreadableError(f"its {name} is none")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_map(text: str) -> None:
    try:
        is_map = isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        is_map = False
    if not is_map:
        raise UnreadableError("a part of it is no JSON")


def _check_output(row: Mapping[str, Any]) -> None:
    """Refuse content that would be read from anywhere but its digest's place."""
    digest, uri = row["digest"], row["uri"]
    if not _DIGEST.fullmatch(digest) or (uri and uri != uri_of(digest, is_folder=uri.endswith("/"))):
        raise UnreadableError(f"its output {row['name']!r} does not lie where its digest says")


def _environment(run: dict[str, Any], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the run's environment under a digest of what it says: what is kept for our own runs is never meant."""
    named = next((row["body"] for row in rows if row["digest"] == run["environment"]), None)
    if named is None or not run["environment"]:
        run["environment"] = ""
        return []
    run["environment"] = hashlib.sha256(named.encode()).hexdigest()[:16]
    return [{"digest": run["environment"], "body": named}]


def _text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"))
