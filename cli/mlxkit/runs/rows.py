"""Rows of the history's tables from records, and back."""

from __future__ import annotations

import json
from sqlite3 import Connection, Row
from typing import Any

from ..stacks.protocols import Measured
from .records import OutputRecord, RunRecord, StepRecord


def write_measures(db: Connection, run_id: str, measured: Measured, on_conflict: str) -> None:
    """Write what a run measured, over what is there (REPLACE) or beside it (IGNORE)."""
    metrics, params = measured
    rows: list[tuple[str, str, str, float | str]] = [
        (run_id, "metric", key, "nan" if value != value else float(value)) for key, value in metrics.items()
    ]
    rows += [(run_id, "param", key, value) for key, value in params.items()]
    db.executemany(f"INSERT OR {on_conflict} INTO run_measures VALUES (?, ?, ?, ?)", rows)


def run_row(run: RunRecord) -> tuple[Any, ...]:
    """Return the values of a run's columns."""
    return (
        run.id, run.name, run.pipeline, run.stack, run.status, run.started, run.ended, run.kind, run.file,
        dump(run.parameters), dump(run.metadata), dump(run.code), run.environment, run.error,
    )  # fmt: skip


def step_row(step: StepRecord) -> tuple[Any, ...]:
    """Return the values of a step's columns."""
    return (
        step.id, step.run_id, step.name, step.position, step.status, step.started, step.ended, step.attempts,
        step.cache_key, step.cached_from, step.reason, dump(step.parameters), dump(step.inputs),
        dump(step.metadata), dump(step.parts), step.error,
    )  # fmt: skip


def output_row(step_id: str, position: int, item: OutputRecord) -> tuple[Any, ...]:
    """Return the values of an output's columns."""
    return (
        step_id, item.name, position, item.digest, item.materializer, item.type, item.size, item.uri,
        dump(item.summary), item.inline,
    )  # fmt: skip


def output(row: Row) -> OutputRecord:
    """Read an output."""
    data = {**dict(row), "summary": json.loads(row["summary"])}
    del data["step_id"], data["position"]
    return OutputRecord(**data)


def dump(value: Any) -> str:
    """Return JSON in which a text can be found as it is written."""
    text = json.dumps(value, default=str, separators=(",", ":"), ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a character, as names of files can have it
        return json.dumps(value, default=str, separators=(",", ":"))
    return text


def marks(columns: str) -> str:
    """Return as many marks of bound values as there are columns."""
    return ", ".join("?" * (columns.count(",") + 1))
