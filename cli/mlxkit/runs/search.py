"""Searching runs: filters, a sorting and a limit, answered by one statement over the indexes of history."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from ..dataclass import dataclass
from ..errors import NotFoundError, did_you_mean
from ..records import Record, plain
from . import known
from .history import _RUN_READ, History
from .records import RunRecord
from .schema import readable
from .where import KEYED, Condition, Field, as_number, check_status, has_tag, parse_where

_AT_ONCE = 500  # bound values a statement
_LOOKED_AT = 2_000  # runs whose parameters are looked through for names


@dataclass(frozen=True)
class RunFilter:
    """Which runs are wanted, in which order; times are seconds since the epoch, `since` inclusive, `until` not."""

    pipeline: str | None = None
    status: str | None = None
    stack: str | None = None
    since: float | None = None
    until: float | None = None
    tags: Sequence[str] = ()
    where: Sequence[str] = ()
    sort: str | None = None
    is_reversed: bool = False


@dataclass(frozen=True)
class RunListing(Record):
    """A run in a listing, with what it logged to its tracker."""

    run: RunRecord
    metrics: Mapping[str, float] = field(default_factory=dict)
    logged_params: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the run's own keys at the top."""
        return {
            **self.run.to_dict(),
            "metrics": plain(self.metrics),
            "logged_params": plain(self.logged_params),
        }

    def value(self, name: Field) -> Any:
        """Return what a field says of this run, plain; None where it has none."""
        if name.group in KEYED:
            found = {"metrics": self.metrics, "params": self.logged_params, "parameters": self.run.parameters}
            return plain(found[name.group].get(name.key))
        return self.to_dict().get(name.group)


@dataclass(frozen=True)
class Found:
    """What a search answers: the runs, and the fields of its conditions and sorting that a listing has no column for."""

    runs: Sequence[RunListing]
    fields: Sequence[Field]


def search(history: History, wanted: RunFilter, *, limit: int | None = 20) -> Found:
    """Return the runs that fit, the newest first unless sorted.

    Raises UsageError for a condition that cannot be read, NotFoundError for a metric or param that no run has.
    """
    found = matching(history, wanted, limit)
    if wanted == RunFilter():
        runs = [item.run for item in found.runs]
        known.listed(history.state_dir, runs, len(runs) + 1 if limit is None else limit)
    return found


def matching(history: History, wanted: RunFilter, limit: int | None) -> Found:
    """Do what `search` does, in a history that is not this project's, too."""
    with readable(history.connection):
        return _matching(history, wanted, limit)


def _matching(history: History, wanted: RunFilter, limit: int | None) -> Found:
    db = history.connection
    db.create_function("as_number", 1, as_number, deterministic=True)
    db.create_function("unixepoch_now", 0, time.time)
    conditions = [item for text in wanted.where for item in parse_where(text)]
    order = Field.parse(wanted.sort.removeprefix("-")) if wanted.sort else None
    fields = list(dict.fromkeys([*(item.field for item in conditions), *([order] if order else [])]))
    for name in fields:
        _check_name(db, name)
    clauses, values = _clauses(wanted, conditions)
    ordering, bound = _ordering(wanted, order)
    rows = db.execute(
        f"SELECT {_RUN_READ} FROM runs {'WHERE ' + ' AND '.join(clauses) if clauses else ''} "
        f"ORDER BY {ordering} LIMIT ?",
        [*values, *bound, -1 if limit is None else limit],
    ).fetchall()
    runs = [history._run(row) for row in rows]
    return Found(listings(history, runs), [name for name in fields if name.group in KEYED])


def listings(history: History, runs: Sequence[RunRecord]) -> list[RunListing]:
    """Return runs with what they logged to their trackers."""
    measures = _measures(history.connection, [run.id for run in runs])
    return [
        RunListing(run, measures["metric"].get(run.id, {}), measures["param"].get(run.id, {})) for run in runs
    ]


def _clauses(wanted: RunFilter, conditions: Sequence[Condition]) -> tuple[list[str], list[Any]]:
    if wanted.status is not None:
        check_status(wanted.status)
    simple = {
        "runs.pipeline = ?": wanted.pipeline,
        "runs.status = ?": wanted.status,
        "runs.stack = ?": wanted.stack,
        "runs.started >= ?": wanted.since,
        "runs.started < ?": wanted.until,
    }
    clauses = [sql for sql, value in simple.items() if value is not None]
    values: list[Any] = [value for value in simple.values() if value is not None]
    for tag in wanted.tags:
        sql, bound = has_tag(tag)
        clauses.append(sql)
        values += bound
    for item in conditions:
        clauses.append(item.sql)
        values += item.values
    return clauses, values


def _ordering(wanted: RunFilter, order: Field | None) -> tuple[str, list[Any]]:
    """Return SQL to sort by: runs without the value come last in either direction, and equal ones the newest first."""
    if order is None:
        return f"runs.started {'ASC' if wanted.is_reversed else 'DESC'}", []
    falls = (wanted.sort or "").startswith("-") != wanted.is_reversed
    direction = "DESC" if falls else "ASC"
    if order.group == "started":
        return f"runs.started {direction}", []
    sql, bound = order.expression()
    if order.group == "metrics":  # not-a-number, a text, is no value to sort by
        return f"as_number({sql}) IS NULL, as_number({sql}) {direction}, runs.started DESC", bound * 2
    if order.group in ("params", "parameters"):  # 9 before 10, and numbers apart from words
        return f"{sql} IS NULL, as_number({sql}) {direction}, {sql} {direction}, runs.started DESC", bound * 3
    return f"{sql} IS NULL, {sql} {direction}, runs.started DESC", bound * 2


def _check_name(db: sqlite3.Connection, name: Field) -> None:
    """Refuse the name of something that no run has, when there are runs."""
    if name.group not in KEYED or db.execute("SELECT 1 FROM runs LIMIT 1").fetchone() is None:
        return
    if name.group == "parameters":
        if db.execute(
            "SELECT 1 FROM runs, json_each(runs.parameters) j WHERE j.key = ? LIMIT 1", (name.key,)
        ).fetchone():
            return
        known = [
            row[0]
            for row in db.execute(
                "SELECT DISTINCT j.key FROM (SELECT parameters FROM runs ORDER BY started DESC LIMIT ?) r, json_each(r.parameters) j",
                (_LOOKED_AT,),
            )
        ]
        raise _unknown("no run has a parameter", name, known)
    kind = name.group.removesuffix("s")
    if db.execute(
        "SELECT 1 FROM run_measures WHERE kind = ? AND key = ? LIMIT 1", (kind, name.key)
    ).fetchone():
        return
    raise _unknown(f"no run logged a {kind}", name, measure_names(db, kind))


def _unknown(what: str, name: Field, known: Sequence[str]) -> NotFoundError:
    shown = ", ".join(known[:8]) + (", ..." if len(known) > 8 else "")
    return NotFoundError(
        f"{what} {name.key!r}{did_you_mean(name.key, known)}" + (f"; there are {shown}" if known else ""),
        hint="mlx runs describe",
    )


def measure_names(db: sqlite3.Connection, kind: str) -> list[str]:
    """Return the names of all metrics (or params), one look into the index each."""
    rows = db.execute(
        "WITH RECURSIVE names(key) AS (SELECT MIN(key) FROM run_measures WHERE kind = ?1 UNION ALL "
        "SELECT (SELECT MIN(key) FROM run_measures WHERE kind = ?1 AND key > names.key) FROM names WHERE names.key IS NOT NULL) "
        "SELECT key FROM names WHERE key IS NOT NULL",
        (kind,),
    )
    return [row[0] for row in rows]


def _measures(db: sqlite3.Connection, run_ids: Sequence[str]) -> dict[str, dict[str, dict[str, Any]]]:
    found: dict[str, dict[str, dict[str, Any]]] = {"metric": {}, "param": {}}
    for start in range(0, len(run_ids), _AT_ONCE):
        ids = run_ids[start : start + _AT_ONCE]
        marks = ", ".join("?" * len(ids))
        for run_id, kind, key, value in db.execute(
            f"SELECT run_id, kind, key, value FROM run_measures WHERE run_id IN ({marks})", list(ids)
        ):
            found[kind].setdefault(run_id, {})[key] = float(value) if kind == "metric" else value
    return found
