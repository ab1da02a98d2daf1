"""A pipeline as its runs show it: how they ended, how long they take, what the last one measured."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

from ..dataclass import dataclass
from ..records import Record, plain
from .history import History
from .queries import RunQueries
from .records import PipelineRecord
from .search import RunFilter, RunListing, search

_RECENT = 20  # runs that tell how long one takes


@dataclass(frozen=True)
class PipelineDetail(Record):
    """A pipeline with what is known from its runs; `duration` is the median of the last completed ones, in seconds."""

    pipeline: PipelineRecord
    statuses: Mapping[str, int]
    duration: float | None
    metrics: Mapping[str, float]
    recent: tuple[RunListing, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the pipeline's own keys at the top, its newest runs as `recent`."""
        recent = [{k: v for k, v in run.to_dict().items() if k != "schema_version"} for run in self.recent]
        return {**self.head().to_dict(), "recent": recent}

    def head(self) -> PipelineHead:
        """Return all of it but the runs."""
        found = self.pipeline
        return PipelineHead(
            found.name, found.runs, found.last_run, found.last_status, found.last_started,
            self.statuses, self.duration, plain(self.metrics),
        )  # fmt: skip


@dataclass(frozen=True)
class PipelineHead(Record):
    """What a person reads first about a pipeline; `metrics` are those of its last completed run."""

    name: str
    runs: int
    last_run: str
    last_status: str
    last_started: str | None
    statuses: Mapping[str, int]
    duration: float | None
    metrics: Mapping[str, float]


def describe_pipeline(history: History, name: str) -> PipelineDetail:
    """Return one pipeline by name; raises NotFoundError when it has not run."""
    queries = RunQueries(history)
    found = queries.pipeline(name)
    rows = history.connection.execute(
        "SELECT status, COUNT(*) AS total FROM runs WHERE pipeline = ? GROUP BY status ORDER BY total DESC",
        (name,),
    )
    statuses = {row["status"]: row["total"] for row in rows}
    good = search(history, RunFilter(pipeline=name, status="completed"), limit=_RECENT).runs
    times = [item.run.duration for item in good if item.run.duration is not None]
    recent = search(history, RunFilter(pipeline=name), limit=_RECENT).runs
    return PipelineDetail(
        found,
        statuses,
        round(median(times), 6) if times else None,
        good[0].metrics if good else {},
        tuple(recent),
    )
