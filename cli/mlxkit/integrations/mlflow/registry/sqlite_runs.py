"""Runs and logged models of a local store, read directly."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from ....stacks.registries import LoggedMetric, LoggedModel, TrackedRun
from ....stacks.tags import RUN_ID
from ..connection import Connection
from ..links import run_url
from .rules import last_values, no_logged_model, no_run, seconds
from .tables import Tables, rows_for
from .uris import local_path

_READY = 2  # a logged model's status once all its files are there
_RUNS = "SELECT run_uuid, experiment_id, name, status, start_time, end_time, lifecycle_stage FROM runs WHERE run_uuid IN ({})"


class SqliteRuns:
    """Reads the runs of MLflow's SQLite tables."""

    def __init__(self, tables: Tables, to: Connection) -> None:
        self._tables = tables
        self._to = to

    def run(self, run_id: str) -> TrackedRun:
        found = self.runs([run_id])
        if run_id not in found:
            raise no_run(run_id, self._to.name)
        return found[run_id]

    def runs(self, run_ids: Sequence[str]) -> dict[str, TrackedRun]:
        with self._tables.reading() as db:
            return {run.run_id: run for run in self.read(db, list(dict.fromkeys(run_ids)))}

    def runs_of(self, mlx_run_id: str) -> list[TrackedRun]:
        with self._tables.reading() as db:
            ids = db.execute(
                "SELECT r.run_uuid FROM runs r JOIN tags t ON t.run_uuid = r.run_uuid "
                "WHERE t.key = ? AND t.value = ? AND r.lifecycle_stage = 'active'",
                (RUN_ID, mlx_run_id),
            ).fetchall()
            runs = self.read(db, [row[0] for row in ids])
        return sorted(runs, key=lambda run: run.started)

    def logged_models(self, run_ids: Sequence[str]) -> list[LoggedModel]:
        query = (
            "SELECT name, model_id, source_run_id, creation_timestamp_ms FROM logged_models "
            f"WHERE lifecycle_stage = 'active' AND status = {_READY} AND source_run_id IN ({{}})"
        )
        with self._tables.reading() as db:
            rows: list[Any] = list(rows_for(db, query, list(dict.fromkeys(run_ids))))
            ids = [row[1] for row in rows]
            tags = _pairs(
                db, "SELECT model_id, tag_key, tag_value FROM logged_model_tags WHERE model_id IN ({})", ids
            )
            measured = _measured(db, ids)
        return [
            LoggedModel(
                name=name,
                uri=f"models:/{model_id}",
                run_id=run_id or "",
                model_id=model_id,
                created=seconds(created),
                tags={key: str(value) for key, value in tags.get(model_id, {}).items()},
                metrics=last_values(measured.get(model_id, ())),
                measured=tuple(measured.get(model_id, ())),
            )
            for name, model_id, run_id, created in rows
        ]

    def models_of(self, runs: Sequence[TrackedRun], at_once: bool) -> list[LoggedModel]:
        return self.logged_models([run.run_id for run in runs])

    def files_of_run(self, run_id: str, path: str) -> list[tuple[str, bool]]:
        root = local_path(self.location_of_run(run_id))
        if root is None:
            return []  # in a bucket: what MLflow noted on the run has to do
        prefix = f"{path}/" if path else ""
        try:
            with os.scandir(root / path) as entries:
                return [(prefix + entry.name, entry.is_dir()) for entry in entries]
        except OSError:
            return []

    def location_of_run(self, run_id: str) -> str:
        with self._tables.reading() as db:
            return self._location_of_run(db, run_id)

    def location_of_model(self, model_id: str) -> str:
        with self._tables.reading() as db:
            row = db.execute(
                "SELECT artifact_location FROM logged_models WHERE model_id = ?", (model_id,)
            ).fetchone()
        if row is None:
            raise no_logged_model(model_id, self._to.name)
        return str(row[0])

    def _location_of_run(self, db: sqlite3.Connection, run_id: str) -> str:
        row = db.execute("SELECT artifact_uri FROM runs WHERE run_uuid = ?", (run_id,)).fetchone()
        if row is None:
            raise no_run(run_id, self._to.name)
        return str(row[0])

    def read(self, db: sqlite3.Connection, run_ids: list[str]) -> list[TrackedRun]:
        """Return runs by their ids, in no order."""
        rows: list[Any] = list(rows_for(db, _RUNS, run_ids))
        ids = [row[0] for row in rows]
        params = _pairs(db, "SELECT run_uuid, key, value FROM params WHERE run_uuid IN ({})", ids)
        tags = _pairs(db, "SELECT run_uuid, key, value FROM tags WHERE run_uuid IN ({})", ids)
        metrics = _pairs(
            db,
            "SELECT run_uuid, key, CASE WHEN is_nan THEN 'nan' ELSE value END FROM latest_metrics WHERE run_uuid IN ({})",
            ids,
        )
        return [
            TrackedRun(
                run_id=run_id,
                experiment_id=str(experiment),
                name=name or "",
                status=status or "",
                started=seconds(start),
                ended=seconds(end) if end else None,
                params=params.get(run_id, {}),
                metrics={key: float(value) for key, value in metrics.get(run_id, {}).items()},
                tags={key: value or "" for key, value in tags.get(run_id, {}).items()},
                url=run_url(self._to, str(experiment), run_id),
                is_deleted=stage == "deleted",
            )
            for run_id, experiment, name, status, start, end, stage in rows
        ]


def _measured(db: sqlite3.Connection, model_ids: list[str]) -> dict[str, list[LoggedMetric]]:
    query = (
        "SELECT model_id, metric_name, metric_value, run_id, metric_timestamp_ms, metric_step FROM logged_model_metrics "
        "WHERE model_id IN ({}) AND metric_value IS NOT NULL ORDER BY metric_step, metric_timestamp_ms"
    )
    found: dict[str, list[LoggedMetric]] = {}
    rows: Any = rows_for(db, query, model_ids)
    for model_id, name, value, run_id, time, step in rows:
        found.setdefault(model_id, []).append(LoggedMetric(name, float(value), run_id or "", time, step))
    return found


def _pairs(db: sqlite3.Connection, query: str, keys: list[str]) -> Mapping[str, dict[str, Any]]:
    """Return what belongs to each key; of several values the last one."""
    found: dict[str, dict[str, Any]] = {}
    rows: Any = rows_for(db, query, keys)
    for owner, key, value in rows:
        found.setdefault(owner, {})[key] = value
    return found
