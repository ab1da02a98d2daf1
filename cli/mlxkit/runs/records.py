"""Records of runs, steps and artifacts as history keeps them and commands show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime, timezone
from typing import Any

from ..artifacts.records import ArtifactRecord
from ..dataclass import dataclass
from ..records import Record, plain

# Keys of a step's metadata: its page on the tracker, and which one that is.
TRACKER_LINK, TRACKER_NAME = "experiment_tracker_url", "experiment_tracker"
FINISHED = ("completed", "failed", "killed", "interrupted")


def iso(moment: float | None) -> str | None:
    """Return a UTC time in ISO 8601 from seconds since the epoch."""
    return (
        None
        if moment is None
        else datetime.fromtimestamp(moment, timezone.utc).isoformat(timespec="milliseconds")
    )


def outcome(status: str) -> str:
    """Return a status without whether it took computing: what came from the cache completed."""
    return "completed" if status == "cached" else status


@dataclass(frozen=True)
class RunRecord(Record):
    """One pipeline run (or tracked script); times are seconds since the epoch, UTC in `to_dict()`.

    `status` is running, completed, failed, killed (a signal) or interrupted (the process vanished).
    """

    id: str
    name: str
    pipeline: str
    stack: str
    status: str
    started: float
    ended: float | None = None
    kind: str = "pipeline"
    file: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    code: Mapping[str, Any] = field(default_factory=dict)
    environment: str = ""
    error: str = ""
    tags: tuple[str, ...] = ()

    @property
    def duration(self) -> float | None:
        """Seconds from start to end; None while it runs, where nobody knows, and where the clock was put back."""
        return _seconds(self.started, self.ended)

    def to_dict(self) -> dict[str, Any]:
        return _timed(super().to_dict(), self.started, self.ended)


@dataclass(frozen=True)
class OutputRecord(Record):
    """One output of a step run: its name and the artifact behind it."""

    name: str
    digest: str
    materializer: str
    type: str
    size: int
    uri: str = ""
    summary: Mapping[str, Any] = field(default_factory=dict)
    inline: bytes | None = None

    def to_dict(self) -> dict[str, Any]:
        data = super().to_dict()
        del data["inline"]
        return data


@dataclass(frozen=True)
class StepRecord(Record):
    """One step of a run, whatever became of it: completed, cached, failed, skipped or killed.

    `inputs` maps an argument to where it came from; `parts` are the named pieces of the cache key;
    `reason` says why it was cached or why it ran.
    """

    id: str
    run_id: str
    name: str
    position: int
    status: str
    started: float
    ended: float
    attempts: int = 1
    cache_key: str = ""
    cached_from: str = ""
    reason: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: tuple[OutputRecord, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    parts: Mapping[str, str] = field(default_factory=dict)
    error: str = ""

    @property
    def duration(self) -> float:
        """Seconds from start to end; 0 where the clock was put back."""
        return _seconds(self.started, self.ended) or 0.0

    def to_dict(self) -> dict[str, Any]:
        data = super().to_dict()
        data["outputs"] = {
            item.name: {k: v for k, v in plain(item).items() if k != "name"} for item in self.outputs
        }
        return _timed(data, self.started, self.ended)


@dataclass(frozen=True)
class ArtifactListing(Record):
    """An artifact in a listing: `name` is `pipeline::step::output`, unique to `run`."""

    name: str
    run: str
    digest: str
    type: str
    materializer: str
    size: int
    created: str | None
    summary: Mapping[str, Any] = field(default_factory=dict)

    @property
    def step(self) -> str:
        """The name of the step that it is an output of."""
        return self.name.split("::")[-2]


@dataclass(frozen=True)
class PipelineRecord(Record):
    """A pipeline by name, from the runs it had."""

    name: str
    runs: int
    last_run: str
    last_status: str
    last_started: str | None


def _timed(data: dict[str, Any], started: float, ended: float | None) -> dict[str, Any]:
    data["started"], data["ended"] = iso(started), iso(ended)
    seconds = _seconds(started, ended)
    data["duration"] = None if seconds is None else round(seconds, 6)
    return data


def _seconds(started: float, ended: float | None) -> float | None:
    return None if ended is None or ended < started else ended - started


def artifact_of(output: OutputRecord) -> ArtifactRecord:
    """Return the artifact behind an output."""
    return ArtifactRecord(
        digest=output.digest, materializer=output.materializer, type=output.type, size=output.size,
        uri=output.uri, inline=output.inline, summary=output.summary,
    )  # fmt: skip


def output_of(name: str, artifact: ArtifactRecord) -> OutputRecord:
    """Return an artifact as a named output."""
    return OutputRecord(
        name=name, digest=artifact.digest, materializer=artifact.materializer, type=artifact.type, size=artifact.size,
        uri=artifact.uri, inline=artifact.inline, summary=artifact.summary,
    )  # fmt: skip
