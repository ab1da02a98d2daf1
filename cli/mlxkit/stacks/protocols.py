"""What the runner asks of components: integrations implement these, the flavor registry finds them by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ..dataclass import dataclass
from ..records import Record

if TYPE_CHECKING:
    from ..secrets.value import SecretValue
    from .executors import Executor, ExecutorFacts

RUN_FILE = "__mlx_run_file__"  # set on the module that the file of a run is, whatever its name
FinalStatus = Literal["completed", "failed", "killed"]
Measured = tuple[Mapping[str, float], Mapping[str, str]]  # final metrics, and params


@dataclass(frozen=True)
class RunFacts:
    """What a tracker is told about a run before its first step: names, parameters as text, tags.

    `kind` is `pipeline`, or `script` for a plain script, which is one step and names its own runs.
    """

    run_id: str
    run_name: str
    pipeline: str
    stack: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    kind: str = "pipeline"


@dataclass(frozen=True)
class StepFacts:
    """What a tracker is told about one attempt at a step.

    `tracked` is a step that asked for the tracker: a run is active inside it from the start.
    Without it the tracker only stands ready, and joins in when user code touches its library.
    `touches` is one whose code names the tracker's library, so that it is likely to.
    `origin` gives tags that say what the step was made from, for the models that it logs.
    """

    name: str
    step_run_id: str
    attempt: int = 1
    tracked: bool = True
    touches: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    origin: Callable[[], Mapping[str, str]] = dict


@dataclass(frozen=True)
class TrackerRun:
    """A tracker's own run, as history remembers it so that it can be closed after a crash.

    `experiment` is where on the tracker it lies, as far as the process that opened it knows; history does without.
    """

    tracker: str
    tracking_uri: str
    run_id: str
    parent: bool = True
    experiment: str = field(default="", compare=False)


@dataclass(frozen=True)
class ClientEnvironment:
    """What another program needs to reach a tracker: variables, those that are secret, and those that must not be set."""

    variables: Mapping[str, str]
    secrets: Mapping[str, SecretValue]
    unset: tuple[str, ...] = ()


class TrackedStep(Protocol):
    """One attempt at a step, seen from the tracker."""

    def metadata(self) -> dict[str, Any]:
        """Return `experiment_tracker_url` and the tracker's ids, or nothing when nothing was tracked."""


class RunTracking(Protocol):
    """One pipeline run on one tracker."""

    def step(self, step: StepFacts) -> AbstractContextManager[TrackedStep]:
        """Open the tracker around one attempt at a step; environment and library state are as before afterwards."""

    def cached(self, step: StepFacts, source: Mapping[str, Any]) -> dict[str, Any]:
        """Leave a trace of a step that was served from the cache; `source` is the metadata of its origin."""

    def measured(self) -> Measured:
        """Return what the run's tracker runs hold now, children included; at most one call a tracker run.

        Raises when the tracker does not answer within seconds: then nothing is known.
        """

    def handed_over(self, step: StepFacts) -> Any:
        """Return what another process needs to log this step to the same tracker runs: plain, picklable, no credentials.

        What the steps of a run share is opened here before, so that two processes never open it twice.
        """

    def learned(self, run: TrackerRun) -> None:
        """Take note of a tracker run that another process opened for a step of this run."""

    def abandon(self, step_run_id: str, attempts: Sequence[int]) -> None:
        """End, as killed, what attempts at a step left open on the tracker when their process died; no numbers mean all."""

    def attach(self, name: str, content: bytes) -> None:
        """Put a small file among the run's artifacts on the tracker; raises what keeps it from being there."""

    def finish(self, status: FinalStatus) -> None:
        """End everything that is open on the tracker with the run's own status."""


class ExperimentTracker(Protocol):
    """A flavor of kind `experiment_tracker`; made from its resolved component and the state folder."""

    def preflight(self) -> None:
        """Check that the server answers and takes the credentials, within two seconds, or raise."""

    def open(self, run: RunFacts, on_open: Callable[[TrackerRun], None]) -> RunTracking:
        """Stand ready for a run; `on_open` is told of every tracker run before user code can write to it."""

    def join(self, handed: Any, on_open: Callable[[TrackerRun], None]) -> RunTracking:
        """Log to the run of another process, given what its `handed_over` returned; only steps are opened and closed."""

    def close_orphan(self, run: TrackerRun, status: FinalStatus) -> bool:
        """Close the tracker's run of a process that died; False when the server does not answer now."""

    def measures_of(self, run: TrackerRun) -> Measured:
        """Return what one tracker run holds; raises when the server does not answer within seconds."""


@dataclass(frozen=True)
class CurvePoint(Record):
    """One value of a metric: at which step, and when, in seconds since the epoch."""

    step: int
    time: float
    value: float


class TrackerHistory(ExperimentTracker, Protocol):
    """A tracker that keeps every value that a metric had."""

    def curves(
        self, tracker_run_ids: Sequence[str], keys: Sequence[str] | None = None
    ) -> Mapping[str, Sequence[CurvePoint]]:
        """Return the points of each metric, or of some, by step; of several runs the first that logged one counts.

        Raises when the tracker does not answer within seconds.
        """


class Orchestrator(Protocol):
    """A flavor of kind `orchestrator`; made from its resolved component and the state folder."""

    def executor(self, facts: ExecutorFacts) -> Executor:
        """Return what runs the steps of one run; nothing is started before the first step is submitted."""


class OrchestratorWithCheck(Orchestrator, Protocol):
    """An orchestrator that somebody else may have to be running for."""

    def preflight(self) -> None:
        """Check within two seconds that there is something to run on, or raise."""

    def check(self) -> Record:
        """Ask whether it answers, what version it is next to ours, and what it has; raises what keeps it from working."""


class TrackerWithUi(ExperimentTracker, Protocol):
    """A tracker that can be tested and looked at by hand."""

    def check(self) -> Record:
        """Do what `preflight` does, and tell what was found out."""

    def url(self, run: str | None = None) -> str | None:
        """Return the UI's address of a run, by the tracker's id or ours (None when there is none), or of them all."""

    def show_ui(self, port: int | None, ready: Callable[[str], None]) -> None:
        """Call `ready` with the UI's address; one that has to be served is served until Ctrl-C."""


class TrackerWithEnvironment(ExperimentTracker, Protocol):
    """A tracker that other programs can log to."""

    def environment(self) -> ClientEnvironment:
        """Return what another program needs in its environment to reach the tracker by itself."""
