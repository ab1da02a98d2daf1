"""One run as a whole: its record, its steps, its environment, its logs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..records import Record, plain
from .queries import RunQueries
from .records import RunRecord, StepRecord


@dataclass(frozen=True)
class RunDescription(Record):
    """A run with everything that history knows of it."""

    run: RunRecord
    steps: tuple[StepRecord, ...]
    tracker_runs: tuple[str, ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the run's own keys at the top, its steps and environment below them."""
        steps = [{k: v for k, v in step.to_dict().items() if k != "schema_version"} for step in self.steps]
        return {
            **self.run.to_dict(),
            "tracker_runs": list(self.tracker_runs),
            "steps": steps,
            "environment": plain(self.environment),
        }

    def summary(self) -> RunSummary:
        """Return what a person reads first."""
        code = self.run.code
        commit = str(code.get("commit") or "")[:12]
        return RunSummary(
            name=self.run.name, id=self.run.id, status=self.run.status, pipeline=self.run.pipeline, stack=self.run.stack,
            file=self.run.file, started=self.run.to_dict()["started"], duration=self.run.duration,
            parameters=self.run.parameters, commit=commit + (" (with changes)" if code.get("dirty") else ""),
            python=str(self.environment.get("python", "")), tracker_runs=self.tracker_runs, error=self.run.error,
        )  # fmt: skip


@dataclass(frozen=True)
class RunSummary(Record):
    """The head of `mlx runs describe`."""

    name: str
    id: str
    status: str
    pipeline: str
    stack: str
    file: str
    started: str | None
    duration: float | None
    parameters: Mapping[str, Any]
    commit: str
    python: str
    tracker_runs: tuple[str, ...]
    error: str


def describe_run(queries: RunQueries, reference: str) -> RunDescription:
    """Return one run by id, name, tracker run id or `latest`; raises NotFoundError."""
    run = queries.get(reference)
    return RunDescription(
        run, tuple(queries.steps(run.id)), tuple(queries.tracker_runs(run.id)), queries.environment(run)
    )


def logs_of(queries: RunQueries, state_dir: Path, reference: str, step: str | None) -> list[tuple[str, str]]:
    """Return (step, text) of what a run's steps printed, or of one step; a step that printed nothing is left out."""
    run = queries.get(reference)
    if step is not None:
        queries.step(run.id, step)
    folder = state_dir / "logs" / run.id
    found = []
    for path in sorted(folder.glob("*.log")) if folder.is_dir() else []:
        name = path.stem.partition("-")[2]
        if step is None or name == step:
            found.append((name, path.read_text("utf-8", errors="replace")))
    return found
