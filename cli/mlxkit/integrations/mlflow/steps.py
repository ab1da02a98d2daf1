"""One attempt at a step: its run, its child run, and what user code did with MLflow inside."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any

from ...dataclass import dataclass
from ...errors import ConfigError, did_you_mean
from ...stacks.protocols import FinalStatus, StepFacts
from ...stacks.tags import STEP
from . import environment
from .backend import now_ms
from .connection import Connection
from .inject import injection
from .run_tags import step_tags

if TYPE_CHECKING:
    from .step_runs import StepRuns

_SETTINGS = ("nested", "tags", "experiment_name")


@dataclass(frozen=True)
class StepSettings:
    """What the settings of a step say, on top of the tracker's own attributes."""

    nested: bool
    experiment_name: str | None
    tags: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def of(settings: Mapping[str, Any], to: Connection, step: str) -> StepSettings:
        """Read the settings of a step; a key that is not known is refused."""
        for key in settings:
            if key not in _SETTINGS:
                raise ConfigError(
                    f"step {step!r}: unknown MLflow setting {key!r}{did_you_mean(key, _SETTINGS)}"
                )
        tags = settings.get("tags") or {}
        if not isinstance(tags, Mapping):
            raise ConfigError(f"step {step!r}: the MLflow setting 'tags' is not a mapping")
        nested = settings.get("nested")
        return StepSettings(
            nested=to.nested if nested is None else bool(nested),
            experiment_name=settings.get("experiment_name") or to.experiment_name,
            tags={str(key): str(value) for key, value in tags.items()},
        )


@dataclass
class OpenRun:
    """An MLflow run that is ours to end; `entity` is MLflow's object for it, once that was asked for."""

    run_id: str
    experiment_id: str
    entity: Any = None
    was_monitored: bool = False


class StepTracking:
    """One attempt at a step on the tracker; its run is opened at once, or when user code touches MLflow."""

    def __init__(self, run: StepRuns, facts: StepFacts, settings: StepSettings) -> None:
        self.facts = facts
        self.written: set[str] = set()
        self.models: set[str] = set()
        self.began = now_ms()
        self.chosen_experiment: str | None = None
        self._run = run
        self._settings = settings
        self._base: OpenRun | None = None
        self._has_joined = False
        self._started: list[str] = []
        self._hidden: list[Any] | None = None
        self._monitor: Any = None
        self._has_asked_for_monitor = False
        self._wants_system_metrics: bool | None = None
        self._lock = threading.RLock()

    @property
    def run_id(self) -> str | None:
        """The MLflow run that this attempt writes to, or None when there is none yet."""
        return self._base.run_id if self._base is not None else None

    @property
    def is_nested(self) -> bool:
        """Whether this attempt has a child run of its own."""
        return self._settings.nested

    @property
    def param_prefix(self) -> str:
        """What goes before the name of a param that is taken."""
        return (
            self.facts.name if self.facts.attempt == 1 else f"{self.facts.name}.attempt-{self.facts.attempt}"
        )

    def metadata(self) -> dict[str, Any]:
        """Return the link and the ids of the run that this attempt was logged to, or nothing."""
        return self._run.metadata(self._base) if self._base is not None else {}

    def open(self, experiment_id: str | None = None) -> OpenRun:
        """Return the run of this attempt, started now if it was not yet."""
        with self._lock:
            if self._base is None:
                shared = self._run.shared(
                    experiment_id or self.chosen_experiment, self._settings.experiment_name
                )
                if self._settings.nested:
                    self._base = self._run.child(shared, self.facts, self._settings.tags)
                else:
                    self._run.describe_step(shared, self.facts, self._settings.tags)
                    self._base = shared
                environment.point_at_run(self._base.run_id, self._base.experiment_id)
                if injection.library is not None and self.chosen_experiment is None:
                    injection.library.use_experiment(self._base.experiment_id)
            return self._base

    def enter(self) -> None:
        """Begin: what user code has on MLflow's stack outside of the step does not count inside."""
        if "mlflow" in sys.modules and injection.library is not None:
            from .fluent import hide_outer_runs

            self._hidden = hide_outer_runs()

    def close(self, status: FinalStatus) -> None:
        """End what belongs to this attempt alone; the shared run stays open for the other steps."""
        try:
            if injection.library is not None:
                self._close_library(status)
        except BaseException:
            status = "failed"
            raise
        finally:
            if self._base is not None and self.is_nested:
                self._run.end(self._base.run_id, status)

    # What follows is for MLflow's diverted calls.

    def active_run(self) -> Any:
        """Return MLflow's object for the run of this attempt."""
        run = self.open()
        with self._lock:
            if run.entity is None:
                from mlflow import ActiveRun, MlflowClient

                run.entity = ActiveRun(MlflowClient().get_run(run.run_id))
            if not self._has_asked_for_monitor:
                self._has_asked_for_monitor = True
                from .system_metrics import started_monitor

                self._monitor = started_monitor(run, wanted=self._wants_system_metrics)
            return run.entity

    def claims(self, asked: Mapping[str, Any]) -> bool:
        """Say whether a `start_run()` means the run of this attempt, which it can do once."""
        if asked.get("run_id"):
            return str(asked["run_id"]) == self.run_id
        with self._lock:
            if asked.get("nested") or asked.get("parent_run_id") or self._has_joined:
                return False
            wanted = self._wanted_experiment(asked)
            self._has_joined = self._base is None or wanted in (None, self._base.experiment_id)
            return self._has_joined

    def join(self, asked: Mapping[str, Any]) -> Any:
        """Take what `start_run()` says about its run over to ours, and return ours."""
        self._wants_system_metrics = asked.get("log_system_metrics")
        run = self.open(self._wanted_experiment(asked))
        tags = {str(key): str(value) for key, value in (asked.get("tags") or {}).items()}
        if asked.get("description"):
            tags["mlflow.note.content"] = str(asked["description"])
        if asked.get("run_name") and not asked.get("run_id"):
            if self._run.is_script:
                self._run.rename(run, str(asked["run_name"]))
            else:
                tags[f"mlx.start_run.{self.facts.name}"] = str(asked["run_name"])
        if tags:
            self._run.tag(run, tags)
        return self.active_run()

    def parent_for(self, asked: Mapping[str, Any]) -> str | None:
        """Return the run that a further run hangs under: ours, unless it goes to another experiment."""
        base = self.open()
        return base.run_id if self._wanted_experiment(asked) in (None, base.experiment_id) else None

    def identity(self) -> dict[str, str]:
        """Return the tags that say of a model where it belongs."""
        return {**self._run.identity, STEP: self.facts.name}

    def own_tags(self) -> dict[str, str]:
        """Return the tags that say of a further run to which attempt it belongs."""
        return {**self._run.identity, **step_tags(self.facts)}

    def code_tags(self) -> dict[str, str]:
        """Return the tags that say which code ran."""
        return self._run.code_tags

    def note_started(self, run_id: str, experiment_id: str = "") -> None:
        """Remember a run that user code started, so that it does not stay open whatever happens.

        One that it took up again carries no tags of ours, and has no experiment here.
        """
        self._started.append(run_id)
        self._run.note(run_id, experiment=experiment_id)

    def _wanted_experiment(self, asked: Mapping[str, Any]) -> str | None:
        wanted = asked.get("experiment_id") or self.chosen_experiment
        return str(wanted) if wanted is not None else None

    def _close_library(self, status: FinalStatus) -> None:
        from .fluent import end_leftovers, flush_async_logging, show_outer_runs

        if injection.library is not None and not injection.library.is_ours:
            warnings.warn(
                f"step {self.facts.name!r} pointed MLflow at another address: what it logged there is not on the tracker",
                stacklevel=2,
            )
        try:
            if self._monitor is not None:
                self._monitor.finish()
            flush_async_logging()
        finally:
            for run_id in end_leftovers(self._started):
                self._run.end(run_id, status)
            if self._hidden is not None:
                show_outer_runs(self._hidden)
