"""Questions asked of history: which runs, which steps, which artifacts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ..errors import NotFoundError, did_you_mean, nearest
from ..stacks.protocols import TrackerRun
from . import known
from .history import _OUTPUT, _RUN_READ, _STEP, History
from .records import ArtifactListing, OutputRecord, PipelineRecord, RunRecord, StepRecord, iso


def several_begin(start: str, ids: Sequence[str], listing: str) -> NotFoundError:
    """Say that more than one id begins like this; three of them are named."""
    named = ", ".join(ids[:3]) + ", ..." * (len(ids) > 3)
    return NotFoundError(f"several runs begin with {start!r}: {named}", hint=f"more of the id; {listing}")


class RunQueries:
    """Read-only look-ups; every listing is bounded and served by an index."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._db = history.connection

    def list(
        self,
        *,
        limit: int = 20,
        pipeline: str | None = None,
        status: str | None = None,
        stack: str | None = None,
    ) -> Sequence[RunRecord]:
        """Return runs, the newest first."""
        wanted = {"pipeline": pipeline, "status": status, "stack": stack}
        clauses = [f"{column} = ?" for column, value in wanted.items() if value is not None]
        where = f"WHERE {' AND '.join(clauses)} " if clauses else ""
        values: list[Any] = [value for value in wanted.values() if value is not None]
        rows = self._db.execute(
            f"SELECT {_RUN_READ} FROM runs {where}ORDER BY started DESC LIMIT ?", [*values, limit]
        )
        runs = [self._history._run(row) for row in rows]
        if not values:
            known.listed(self._history.state_dir, runs, limit)
        return runs

    def get(self, reference: str) -> RunRecord:
        """Find a run by id, a unique start of an id, name, tracker run id, or `latest`; raises NotFoundError."""
        row = self._find(reference)
        if row is None:
            raise self._no_run(reference)
        return self._history._run(row)

    def _no_run(self, reference: str) -> NotFoundError:
        runs = self.list(limit=200)
        pipelines = {run.pipeline for run in runs}
        names = ["latest", *pipelines, *(item for run in runs for item in (run.id, run.name))] if runs else []
        near = nearest(reference, names)
        # An id of somebody else's run looks like ours of the same hour.
        listing = "mlx runs list, or mlx runs list --team for those of others"
        if near in pipelines:
            listing = f"mlx runs list --pipeline {near}"
        return NotFoundError(f"no run {reference!r}{did_you_mean(reference, names)}", hint=listing)

    def _find(self, reference: str) -> Any:
        if reference == "latest":
            return self._db.execute(f"SELECT {_RUN_READ} FROM runs ORDER BY started DESC LIMIT 1").fetchone()
        row = self._db.execute(f"SELECT {_RUN_READ} FROM runs WHERE id = ?", (reference,)).fetchone()
        row = (
            row
            or self._db.execute(
                f"SELECT {_RUN_READ} FROM runs WHERE name = ? ORDER BY started DESC LIMIT 1", (reference,)
            ).fetchone()
        )
        row = (
            row
            or self._db.execute(
                f"SELECT {_RUN_READ} FROM runs WHERE id = (SELECT run_id FROM tracker_runs WHERE tracker_run_id = ? LIMIT 1)",
                (reference,),
            ).fetchone()
        )
        if row is None and len(reference) >= 4:
            rows = self._db.execute(
                f"SELECT {_RUN_READ} FROM runs WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT 4",
                (reference, reference + "\U0010ffff"),
            ).fetchall()
            if len(rows) > 1:
                raise several_begin(reference, [item["id"] for item in rows], "mlx runs list")
            row = rows[0] if rows else None
        return row

    def steps(self, run_id: str) -> Sequence[StepRecord]:
        """Return the steps of a run in the order they were called."""
        rows = self._db.execute(
            f"SELECT {_STEP} FROM steps WHERE run_id = ? ORDER BY position", (run_id,)
        ).fetchall()
        return [self._history._step(row) for row in rows]

    def step(self, run_id: str, name: str) -> StepRecord:
        """Return one step of a run by its name."""
        row = self._db.execute(
            f"SELECT {_STEP} FROM steps WHERE run_id = ? AND name = ?", (run_id, name)
        ).fetchone()
        if row is None:
            names = [
                item["name"]
                for item in self._db.execute(
                    "SELECT name FROM steps WHERE run_id = ? ORDER BY position", (run_id,)
                )
            ]
            raise NotFoundError(
                f"run {run_id} has no step {name!r}{did_you_mean(name, names)}; its steps: {', '.join(names) or 'none'}",
                hint=f"mlx runs describe {run_id}",
            )
        return self._history._step(row)

    def environment(self, run: RunRecord) -> dict[str, Any]:
        """Return the environment that a run was recorded with."""
        row = self._db.execute(
            "SELECT body FROM environments WHERE digest = ?", (run.environment,)
        ).fetchone()
        body: dict[str, Any] = json.loads(row["body"]) if row else {}
        return body

    def tracker_runs(self, run_id: str) -> Sequence[str]:
        """Return the tracker's own run ids of a run, parents first."""
        rows = self._db.execute(
            "SELECT tracker_run_id FROM tracker_runs WHERE run_id = ? ORDER BY parent DESC", (run_id,)
        )
        return [row["tracker_run_id"] for row in rows]

    def tracking_uri(self, run_id: str, tracker: str) -> str | None:
        """Return the address that a tracker had when it logged a run."""
        row = self._db.execute(
            "SELECT tracking_uri FROM tracker_runs WHERE run_id = ? AND tracker = ? LIMIT 1",
            (run_id, tracker),
        ).fetchone()
        return str(row["tracking_uri"]) if row else None

    def tracked_on(self, run_id: str) -> Sequence[TrackerRun]:
        """Return the tracker's own runs of a run with the trackers they are on, parents first."""
        rows = self._db.execute(
            "SELECT tracker, tracking_uri, tracker_run_id, parent FROM tracker_runs WHERE run_id = ? ORDER BY parent DESC",
            (run_id,),
        )
        return [
            TrackerRun(row["tracker"], row["tracking_uri"], row["tracker_run_id"], bool(row["parent"]))
            for row in rows
        ]

    def metrics(self, run_id: str) -> dict[str, float]:
        """Return the final values of the metrics that a run logged to its tracker, as history keeps them."""
        return {key: float(value) for key, value in self._measures(run_id, "metric")}

    def logged_params(self, run_id: str) -> dict[str, str]:
        """Return the params that a run logged to its tracker."""
        return {key: str(value) for key, value in self._measures(run_id, "param")}

    def tags(self, run_id: str) -> Sequence[str]:
        """Return the tags of a run, in order."""
        rows = self._db.execute("SELECT tag FROM run_tags WHERE run_id = ? ORDER BY tag", (run_id,))
        return [row["tag"] for row in rows]

    def _measures(self, run_id: str, kind: str) -> Sequence[tuple[str, Any]]:
        rows = self._db.execute(
            "SELECT key, value FROM run_measures WHERE run_id = ? AND kind = ? ORDER BY key", (run_id, kind)
        )
        return [(row["key"], row["value"]) for row in rows]

    def trackers_of(self, tracker_run_ids: Sequence[str]) -> Sequence[str]:
        """Return the names of the trackers that have these runs, as far as history knows."""
        marks = ", ".join("?" * len(tracker_run_ids))
        rows = self._db.execute(
            f"SELECT DISTINCT tracker FROM tracker_runs WHERE tracker_run_id IN ({marks}) ORDER BY tracker",
            list(tracker_run_ids),
        )
        return [row["tracker"] for row in rows]

    def pipelines(self) -> Sequence[PipelineRecord]:
        """Return every pipeline that has run, with its last run."""
        rows = self._db.execute(
            "SELECT pipeline, COUNT(*) AS total, MAX(started) AS last FROM runs GROUP BY pipeline ORDER BY last DESC"
        ).fetchall()
        records = []
        for row in rows:
            run = self.list(limit=1, pipeline=row["pipeline"])[0]
            records.append(
                PipelineRecord(row["pipeline"], row["total"], run.id, run.status, iso(run.started))
            )
        known.pipelines(self._history.state_dir, records)
        return records

    def pipeline(self, name: str) -> PipelineRecord:
        """Return one pipeline by name."""
        records = self.pipelines()
        for record in records:
            if record.name == name:
                return record
        raise NotFoundError(
            f"no pipeline {name!r} has run{did_you_mean(name, [r.name for r in records])}",
            hint="mlx pipeline list",
        )

    def artifacts(
        self,
        *,
        limit: int = 50,
        pipeline: str | None = None,
        run_id: str | None = None,
        step: str | None = None,
        kind: str | None = None,
    ) -> Sequence[ArtifactListing]:
        """Return what steps produced, the newest first; cached steps produced nothing new and are left out.

        `kind` is a type as it is listed, or the end of one: `DataFrame` for `pandas.DataFrame`.
        """
        wanted = {"r.pipeline": pipeline, "r.id": run_id, "s.name": step}
        clauses = [f"{column} = ?" for column, value in wanted.items() if value is not None]
        if run_id is None:
            clauses.append("s.status = 'completed'")
        values: list[Any] = [value for value in wanted.values() if value is not None]
        if kind is not None:
            clauses.append("(o.type = ? OR substr(o.type, -length(?) - 1) = '.' || ?)")
            values += [kind] * 3
        rows = self._db.execute(
            "SELECT r.pipeline, r.id AS run, s.name AS step, s.ended, o.* FROM runs r JOIN steps s ON s.run_id = r.id "
            f"JOIN outputs o ON o.step_id = s.id {'WHERE ' + ' AND '.join(clauses) if clauses else ''} "
            "ORDER BY r.started DESC, s.position, o.position LIMIT ?",
            [*values, limit],
        )
        found = [
            ArtifactListing(
                name=f"{row['pipeline']}::{row['step']}::{row['name']}", run=row["run"], digest=row["digest"], type=row["type"],
                materializer=row["materializer"], size=row["size"], created=iso(row["ended"]), summary=json.loads(row["summary"]),
            )
            for row in rows
        ]  # fmt: skip
        if not values:
            known.artifacts(self._history.state_dir, found)
        return found

    def artifact(self, reference: str, run: str | None = None) -> tuple[ArtifactListing, OutputRecord]:
        """Find an artifact by digest (or its start), `pipeline::step::output`, `step::output` or `output`; the newest wins."""
        parts = reference.split("::")
        by_name = {"o.name": parts[-1]}
        if len(parts) > 1:
            by_name["s.name"] = parts[-2]
        if len(parts) > 2:
            by_name["r.pipeline"] = parts[-3]
        if run is not None:
            by_name["r.id"] = self.get(run).id
        row = self._artifact_row(" AND ".join(f"{column} = ?" for column in by_name), list(by_name.values()))
        if row is None and len(reference) >= 6 and set(reference) <= set("0123456789abcdef"):
            row = self._artifact_row("o.digest >= ? AND o.digest < ?", [reference, reference + "g"])
        if row is None:
            known = [item.name for item in self.artifacts(limit=500)]
            near = did_you_mean(reference, [*known, *(name.rpartition("::")[2] for name in known)])
            raise NotFoundError(f"no artifact {reference!r}{near}", hint="mlx artifact list")
        names = [item.strip() for item in _OUTPUT.split(",") if item.strip() not in ("step_id", "position")]
        output = OutputRecord(
            **{**{name: row[name] for name in names}, "summary": json.loads(row["summary"])}
        )
        listing = ArtifactListing(
            f"{row['pipeline']}::{row['step']}::{row['name']}", row["run"], output.digest, output.type, output.materializer,
            output.size, iso(row["ended"]), output.summary,
        )  # fmt: skip
        return listing, output

    def _artifact_row(self, where: str, values: Sequence[Any]) -> Any:
        return self._db.execute(
            "SELECT r.pipeline, r.id AS run, s.name AS step, s.ended, o.* FROM outputs o JOIN steps s ON s.id = o.step_id "
            f"JOIN runs r ON r.id = s.run_id WHERE {where} ORDER BY s.started DESC LIMIT 1",
            values,
        ).fetchone()
