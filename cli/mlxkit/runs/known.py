"""What completion is told about runs, so that a TAB need not open the history."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from ..config.nameindex import add, forget, recall, remember
from .records import ArtifactListing, PipelineRecord, RunRecord

_RUNS, _PIPELINES, _ARTIFACTS = "runs", "pipelines", "artifacts"


def begun(state_dir: Path, run: RunRecord) -> None:
    """Tell of a run that begins."""
    add(state_dir, _RUNS, _line(run))
    add(state_dir, _PIPELINES, run.pipeline)


def listed(state_dir: Path, runs: Sequence[RunRecord], limit: int) -> None:
    """Tell of the newest runs, all of them when they are fewer than `limit`; older ones stay known."""
    lines = [_line(run) for run in runs]
    known = recall(state_dir, _RUNS) if len(lines) >= limit else []
    older = known[known.index(lines[-1]) + 1 :] if lines and lines[-1] in known else []
    remember(state_dir, _RUNS, [*lines, *older])


def deleted(state_dir: Path, ids: Collection[str]) -> None:
    """Tell of runs that are gone."""
    forget(state_dir, _RUNS, lambda line: line.partition(" ")[0] in ids)


def pipelines(state_dir: Path, found: Iterable[PipelineRecord]) -> None:
    """Tell of all pipelines that have run."""
    remember(state_dir, _PIPELINES, [item.name for item in found])


def artifacts(state_dir: Path, found: Iterable[ArtifactListing]) -> None:
    """Tell of the newest artifacts."""
    remember(state_dir, _ARTIFACTS, [item.name for item in found])


def _line(run: RunRecord) -> str:
    return f"{run.id} {run.name}"
