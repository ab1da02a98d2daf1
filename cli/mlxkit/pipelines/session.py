"""A session: the stack, store, trackers and history that the pipelines of one `mlx run` (or one script) share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..artifacts.store import ArtifactStore
from ..config.paths import Project, ensure_state_dir, find_project
from ..dataclass import dataclass
from ..records import Record
from ..runs.history import History
from ..stacks.protocols import ExperimentTracker, Orchestrator
from ..stacks.resolve import ResolvedComponent, ResolvedStack
from .invocation import Repeat
from .parameters import Text
from .reporting import LineReporter, Reporter
from .runconfig import RunConfig

if TYPE_CHECKING:
    from .detached.job import Job


@dataclass(frozen=True)
class RunOptions:
    """What the command line (or nothing) says about a run."""

    stack: str | None = None
    tracker: str | None = None
    name: str | None = None
    parameters: Mapping[str, Text] = field(default_factory=dict)
    config: RunConfig = field(default_factory=RunConfig)
    use_cache: bool = True
    is_dry: bool = False
    file: Path | None = None
    tags: Sequence[str] = ()
    workers: str | None = None
    repeat: Repeat | None = None


class Session:
    """Everything a run needs that does not change from run to run; made once, checked before anything starts."""

    def __init__(
        self,
        options: RunOptions | None = None,
        *,
        project: Project | None = None,
        reporter: Reporter | None = None,
    ) -> None:
        self.options = options or RunOptions()
        self.project = project or find_project()
        self.reporter = reporter or LineReporter()
        self.calls = 0
        self.invocation: Mapping[str, Any] | None = None
        self.planned: list[Record] = []
        self.made: list[str] = []  # ids of the runs that were begun
        self.job: Job | None = None  # what this process is of a detached run
        self._trackers: dict[str, ExperimentTracker] = {}
        self._extra: dict[str, ResolvedComponent] = {}
        self._checked: set[str] = set()

    @property
    def stack_name(self) -> str | None:
        """The stack that was asked for, or None for the active one."""
        return self.options.stack or self.options.config.stack

    @property
    def forced_tracker(self) -> str | None:
        """The tracker that every step uses, from --tracker or run.yaml."""
        return self.options.tracker or self.options.config.tracker

    @cached_property
    def secrets(self) -> Any:
        """The secrets of this user."""
        from ..secrets.service import SecretService

        return SecretService(self.project)

    @cached_property
    def stack(self) -> ResolvedStack:
        """The chosen stack with every reference resolved; all missing ones are reported together."""
        from ..stacks.service import StackService

        replace = {"experiment_tracker": self.forced_tracker} if self.forced_tracker else None
        return StackService(self.project).resolved(self.stack_name, self.secrets, replace=replace)

    @cached_property
    def state_dir(self) -> Path:
        """The folder of this project's state, made when it is first needed."""
        return ensure_state_dir(self.project)

    @cached_property
    def history(self) -> History:
        """The run history of this project."""
        return History(self.state_dir)

    @cached_property
    def store(self) -> ArtifactStore:
        """The stack's artifact store."""
        component = self.stack.components["artifact_store"]
        made: ArtifactStore = _implementation(component)(component, self.state_dir)
        return made

    @cached_property
    def orchestrator(self) -> Orchestrator:
        """The stack's orchestrator."""
        component = self.stack.components["orchestrator"]
        made: Orchestrator = _implementation(component)(component, self.state_dir)
        return made

    def prepare(self, stack: ResolvedStack, trackers: Sequence[ResolvedComponent]) -> None:
        """Use components that were resolved elsewhere."""
        self.__dict__["stack"] = stack
        self._extra.update({item.name: item for item in trackers})

    @property
    def stack_tracker(self) -> str | None:
        """The name of the stack's experiment tracker."""
        component = self.stack.components.get("experiment_tracker")
        return component.name if component else None

    def tracker_component(self, name: str) -> ResolvedComponent:
        """Return an experiment tracker by name: the stack's, or any other that is registered."""
        component = self.stack.components.get("experiment_tracker")
        if component is not None and component.name == name:
            return component
        if name not in self._extra:
            from ..stacks.components import ComponentService

            self._extra[name] = ComponentService(self.project).resolved(
                "experiment_tracker", name, self.secrets
            )
        return self._extra[name]

    def other_trackers(self) -> Sequence[ResolvedComponent]:
        """Return the trackers beside the stack's that were asked for so far."""
        return list(self._extra.values())

    def tracker(self, name: str) -> ExperimentTracker:
        """Return an experiment tracker by name, made once."""
        if name not in self._trackers:
            component = self.tracker_component(name)
            self._trackers[name] = _implementation(component)(component, self.state_dir)
        return self._trackers[name]

    def check(self, trackers: Sequence[str]) -> None:
        """Check that the orchestrator and every tracker in question answer, before anything is written."""
        preflight = getattr(self.orchestrator, "preflight", None)
        if preflight is not None and "" not in self._checked:
            preflight()
            self._checked.add("")
        for name in trackers:
            if name not in self._checked:
                self.tracker(name).preflight()
                self._checked.add(name)


_current: Session | None = None


def current_session() -> Session | None:
    """Return the session of the `mlx run` that this process is, if it is one."""
    return _current


def forget_session() -> None:
    """Be in no session: in a process that was forked from one that is."""
    global _current
    _current = None


class use_session:
    """Make a session the one that pipelines called inside use."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._before: Session | None = None

    def __enter__(self) -> Session:
        global _current
        self._before, _current = _current, self._session
        return self._session

    def __exit__(self, *_: object) -> None:
        global _current
        _current = self._before


def _implementation(component: ResolvedComponent) -> Callable[..., Any]:
    from ..stacks.flavors import get_flavor, load

    return load(get_flavor(component.kind, component.flavor))
