"""One run as a whole: its record, its steps, its environment, its logs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any

from ..dataclass import dataclass
from ..errors import NotFoundError
from ..records import Record, plain
from .queries import RunQueries
from .records import TRACKER_LINK, TRACKER_NAME, RunRecord, StepRecord

_SERVED = ("http://", "https://", "databricks")
_BROKEN = ("failed", "killed")


@dataclass(frozen=True)
class RunDescription(Record):
    """A run with everything that history knows of it."""

    run: RunRecord
    steps: tuple[StepRecord, ...]
    tracker_runs: tuple[str, ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    logged_params: Mapping[str, str] = field(default_factory=dict)

    @property
    def links(self) -> tuple[str, ...]:
        """The pages of the run on its trackers, each once."""
        return tuple(
            dict.fromkeys(str(link) for step in self.steps if (link := step.metadata.get(TRACKER_LINK)))
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the run's own keys at the top, its steps and environment below them."""
        steps = [{k: v for k, v in step.to_dict().items() if k != "schema_version"} for step in self.steps]
        return {
            **self.run.to_dict(),
            "tracker_runs": list(self.tracker_runs),
            "tracker_urls": list(self.links),
            "metrics": plain(self.metrics),
            "logged_params": plain(self.logged_params),
            "steps": steps,
            "environment": plain(self.environment),
        }

    def summary(self) -> RunSummary:
        """Return what a person reads first."""
        code = self.run.code
        commit = str(code.get("commit") or "")[:12]
        return RunSummary(
            name=self.run.name, id=self.run.id, status=self.run.status, pipeline=self.run.pipeline, stack=self.run.stack,
            file=self.run.file, started=self.run.to_dict()["started"], duration=self.run.duration, tags=self.run.tags,
            parameters=self.run.parameters, logged_params=self.logged_params, metrics=self.metrics,
            commit=commit + (" (with changes)" if code.get("dirty") else ""),
            python=str(self.environment.get("python", "")), platform=str(self.environment.get("platform", "")),
            distributions=len(self.distributions()), tracker=self.links, tracker_runs=self.tracker_runs, error=self.run.error,
        )  # fmt: skip

    def step_summaries(self) -> tuple[StepRecord, ...]:
        """Return the steps with the reason of a failure in the place of why they ran."""
        return tuple(
            replace(step, reason=_last_line(step.error)) if step.status in _BROKEN and step.error else step
            for step in self.steps
        )

    def artifacts(self) -> list[ArtifactSummary]:
        """Return what the steps made, in order."""
        return [
            ArtifactSummary(f"{step.name}::{item.name}", item.type, item.size, item.digest)
            for step in self.steps
            for item in step.outputs
        ]

    def failed(self) -> list[StepRecord]:
        """Return the steps that went wrong and said why."""
        return [step for step in self.steps if step.status in _BROKEN and step.error]

    def distributions(self) -> list[Distribution]:
        """Return what was installed where the run ran."""
        found = self.environment.get("distributions") or {}
        return [Distribution(str(name), str(version)) for name, version in sorted(found.items())]


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
    tags: tuple[str, ...]
    parameters: Mapping[str, Any]
    logged_params: Mapping[str, str]
    metrics: Mapping[str, float]
    commit: str
    python: str
    platform: str
    distributions: int
    tracker: tuple[str, ...]
    tracker_runs: tuple[str, ...]
    error: str


@dataclass(frozen=True)
class ArtifactSummary(Record):
    """An artifact in the description of a run: `step::output`."""

    artifact: str
    type: str
    size: int
    digest: str


@dataclass(frozen=True)
class Distribution(Record):
    """An installed distribution."""

    name: str
    version: str


@dataclass(frozen=True)
class RunLink:
    """The page of a run; that of a local store opens while `mlx tracker ui` serves it."""

    url: str
    tracker: str
    is_local: bool


def describe_run(queries: RunQueries, reference: str) -> RunDescription:
    """Return one run by id, name, tracker run id or `latest`; raises NotFoundError."""
    run = queries.get(reference)
    return RunDescription(
        run, tuple(queries.steps(run.id)), tuple(queries.tracker_runs(run.id)), queries.environment(run),
        queries.metrics(run.id), queries.logged_params(run.id),
    )  # fmt: skip


def link_of(queries: RunQueries, reference: str) -> RunLink:
    """Return where a run is to be seen; raises NotFoundError for one that was not tracked."""
    run = queries.get(reference)
    for step in queries.steps(run.id):
        link, tracker = step.metadata.get(TRACKER_LINK), str(step.metadata.get(TRACKER_NAME) or "")
        if link:
            address = queries.tracking_uri(run.id, tracker)
            return RunLink(str(link), tracker, address is not None and not address.startswith(_SERVED))
    raise NotFoundError(
        f"run {run.name!r} was not tracked: it has no page", hint=f"mlx runs describe {run.id}"
    )


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
