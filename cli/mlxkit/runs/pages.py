"""Runs and artifacts a page at a time, narrowed and sorted by the database: what SDK callers walk through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..dataclass import dataclass
from .history import _OUTPUT, _RUN_READ, History
from .records import OutputRecord, RunRecord

RUN_COLUMNS = {
    "id": "runs.id",
    "name": "runs.name",
    "pipeline": "runs.pipeline",
    "status": "runs.status",
    "stack": "runs.stack",
    "started": "runs.started",
    "ended": "runs.ended",
}
ARTIFACT_COLUMNS = {
    "id": "o.digest",
    "name": "o.name",
    "type": "o.type",
    "step": "s.name",
    "pipeline": "runs.pipeline",
    "run": "runs.id",
    "run_name": "runs.name",
    "started": "s.started",
    "version": "(SELECT json_extract(j.value, '$.version') FROM json_each(s.metadata, '$.artifacts') j WHERE j.key = o.name)",
}
OPERATORS = {
    "equals": "{column} = ?",
    "notequals": "{column} IS NOT ?",  # what has no value has another one
    "startswith": "substr({column}, 1, length(?)) = ?",
    "endswith": "substr({column}, -length(?)) = ?",
    "contains": "instr({column}, ?) > 0",
}
_TAGGED = {
    "runs": "EXISTS (SELECT 1 FROM run_tags t WHERE t.run_id = runs.id AND {condition})",
    "outputs": "EXISTS (SELECT 1 FROM json_each(s.metadata, '$.artifacts') j, json_each(j.value, '$.tags') t "
    "WHERE j.key = o.name AND {condition})",
}


@dataclass(frozen=True)
class Comparison:
    """One thing to narrow by: a column (or `tag`), an operator of OPERATORS, and text."""

    column: str
    operator: str
    value: str


@dataclass(frozen=True)
class PageRequest:
    """Which rows, in which order, and which part of them; pages count from 1."""

    comparisons: Sequence[Comparison] = ()
    sort: str = "started"
    is_falling: bool = True
    page: int = 1
    size: int = 20


@dataclass(frozen=True)
class FoundOutput:
    """An output of a step, the run and step it belongs to, and the metadata of that step."""

    output: OutputRecord
    run: str
    step: str
    notes: Mapping[str, Any]


def page_of_runs(history: History, wanted: PageRequest) -> tuple[int, list[RunRecord]]:
    """Return how many runs there are in all, and those of one page."""
    total, rows = _rows(history, "runs", "FROM runs", _RUN_READ, RUN_COLUMNS, wanted)
    return total, [history._run(row) for row in rows]


def page_of_outputs(
    history: History, wanted: PageRequest, *, with_cached: bool = False
) -> tuple[int, list[FoundOutput]]:
    """Return how many outputs there are in all, and those of one page; what the cache gave back is no new one."""
    import json

    names = [item.strip() for item in _OUTPUT.split(",") if item.strip() not in ("step_id", "position")]
    chosen = ", ".join(f"o.{name}" for name in names) + ", s.metadata, s.name AS step, s.run_id AS run"
    source = "FROM outputs o JOIN steps s ON s.id = o.step_id JOIN runs ON runs.id = s.run_id"
    extra = () if with_cached else ("s.status = 'completed'",)
    total, rows = _rows(history, "outputs", source, chosen, ARTIFACT_COLUMNS, wanted, extra)
    found = []
    for row in rows:
        output = OutputRecord(
            **{**{name: row[name] for name in names}, "summary": json.loads(row["summary"])}
        )
        notes = json.loads(row["metadata"]).get("artifacts", {}).get(output.name, {})
        found.append(FoundOutput(output, row["run"], row["step"], notes))
    return total, found


def _rows(
    history: History,
    table: str,
    source: str,
    chosen: str,
    columns: Mapping[str, str],
    wanted: PageRequest,
    extra: Sequence[str] = (),
) -> tuple[int, Sequence[Any]]:
    clauses, values = list(extra), []
    for item in wanted.comparisons:
        condition = (
            _tagged(table, item.operator)
            if item.column == "tag"
            else OPERATORS[item.operator].format(column=columns[item.column])
        )
        clauses.append(condition)
        values += [item.value] * condition.count("?")
    where = f"{source} {'WHERE ' + ' AND '.join(clauses) if clauses else ''}"
    (total,) = history.connection.execute(f"SELECT COUNT(*) {where}", values).fetchone()
    direction = "DESC" if wanted.is_falling else "ASC"
    last = "s.started DESC, o.position" if table == "outputs" else "runs.started DESC"
    rows = history.connection.execute(
        f"SELECT {chosen} {where} ORDER BY {columns[wanted.sort]} {direction}, {last} LIMIT ? OFFSET ?",
        [*values, wanted.size, (wanted.page - 1) * wanted.size],
    ).fetchall()
    return total, rows


def _tagged(table: str, operator: str) -> str:
    """Return SQL that is true where one of the tags is so, and for `notequals` where none is that."""
    is_negated = operator == "notequals"
    condition = OPERATORS["equals" if is_negated else operator].format(
        column="t.value" if table == "outputs" else "t.tag"
    )
    return "NOT " * is_negated + _TAGGED[table].format(condition=condition)
