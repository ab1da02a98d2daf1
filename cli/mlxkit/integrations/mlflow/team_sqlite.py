"""Everybody's runs in a local store, read from MLflow's own tables, which nobody who writes has to wait for."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

from ...stacks.registries import TrackedRun
from ...stacks.teams import Asked, TeamQuestion
from .connection import Connection
from .local_store import LocalStore
from .metric_values import INFINITE
from .registry.sqlite_runs import SqliteRuns
from .registry.tables import Tables
from .team import STATUSES, TIMES, conditions_of, ours

_TABLES = {"tag": "tags", "param": "params", "metric": "latest_metrics"}
_EXPERIMENT = "JOIN experiments e ON e.experiment_id = r.experiment_id"
_ACTIVE = "r.lifecycle_stage = 'active' AND e.lifecycle_stage = 'active'"


def sqlite_runs(store: LocalStore, to: Connection, question: TeamQuestion) -> Iterator[TrackedRun] | None:
    """Return the runs of one state of the store, in the order of the question; None when its tables are not as expected."""
    tables = Tables(store)
    return _runs(tables, to, question) if tables.are_readable() else None


def _runs(tables: Tables, to: Connection, question: TeamQuestion) -> Iterator[TrackedRun]:
    if not tables.exist:
        return
    with tables.reading() as db:
        reader = SqliteRuns(tables, to)
        ids = _ids(db, question)
        for start in range(0, len(ids), question.page):
            some = ids[start : start + question.page]
            found = {run.run_id: run for run in reader.read(db, some)}
            yield from (ours(found[run_id]) for run_id in some)


def _ids(db: sqlite3.Connection, question: TeamQuestion) -> list[str]:
    clauses, values = [_ACTIVE], []
    for asked in conditions_of(question):
        clause, bound = _clause(asked)
        clauses.append(clause)
        values += bound
    order, bound = _order(question)
    query = f"SELECT r.run_uuid FROM runs r {_EXPERIMENT} WHERE {' AND '.join(clauses)} ORDER BY {order}"  # noqa: S608
    rows = db.execute(query, [*values, *bound])
    return [row[0] for row in rows]


def _clause(asked: Asked) -> tuple[str, list[Any]]:
    if asked.subject == "attribute":
        if asked.key == "status":
            return f"r.status {asked.operator} ?", [STATUSES[asked.value]]
        if asked.key == "id":
            return "r.run_uuid = ?", [asked.value]
        return f"r.{TIMES[asked.key]} / 1000.0 {asked.operator} ?", [asked.value]
    if asked.operator == "has":
        compared, bound = "", []
    elif asked.subject == "metric":
        compared, bound = f"AND value {asked.operator} ?", [min(max(float(asked.value), -INFINITE), INFINITE)]
    else:
        compared, bound = f"AND value {asked.operator} ?", [asked.value]
    table = _TABLES[asked.subject]
    sql = f"EXISTS (SELECT 1 FROM {table} WHERE run_uuid = r.run_uuid AND key = ? {compared})"  # noqa: S608
    return sql, [
        asked.key,
        *bound,
    ]


def _order(question: TeamQuestion) -> tuple[str, list[Any]]:
    order, direction = question.order, "DESC" if question.is_falling else "ASC"
    if order.subject == "attribute":
        field = f"r.{TIMES[order.key]}"
        return f"{field} IS NULL, {field} {direction}, r.start_time DESC, r.run_uuid", []
    value = "CASE WHEN is_nan THEN NULL ELSE value END" if order.subject == "metric" else "value"
    field = f"(SELECT {value} FROM {_TABLES[order.subject]} WHERE run_uuid = r.run_uuid AND key = ?)"  # noqa: S608
    return f"{field} IS NULL, {field} {direction}, r.start_time DESC, r.run_uuid", [order.key, order.key]
