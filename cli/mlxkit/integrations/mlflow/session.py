"""One pipeline run on one tracker: the MLflow run that its tracked steps share, and how it ends."""

from __future__ import annotations

import getpass
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from ...errors import MlxError
from ...secrets.masking import mask_text
from ...stacks.protocols import FinalStatus, Measured, RunFacts, StepFacts, TrackerRun
from ...stacks.tags import (
    COMMIT,
    HOST,
    KIND,
    OF_LISTING,
    OURS,
    PIPELINE,
    RUN_ID,
    RUN_NAME,
    STACK,
    STEP,
    STEP_RUN_ID,
    USER,
)
from . import active
from .backend import Backend, status_of
from .connection import Connection
from .inject import injection
from .links import run_url
from .steps import OpenRun, StepSettings, StepTracking


class MlflowRunTracking:
    """Opens one MLflow run per experiment when the first step needs it, and ends what it opened."""

    def __init__(
        self,
        to: Connection,
        backend: Callable[[], Backend],
        facts: RunFacts,
        on_open: Callable[[TrackerRun], None],
    ) -> None:
        self._to = to
        self._backend = backend
        self._facts = facts
        self._on_open = on_open
        self._shared: dict[str, OpenRun] = {}
        self._experiments: dict[str, str] = {}
        self._not_ended: dict[str, FinalStatus] = {}
        self._noted: dict[str, bool] = {}  # every run that was opened, and whether it is a parent
        self._lock = threading.RLock()

    @property
    def is_script(self) -> bool:
        """Whether the run is a plain script, whose own words for its runs count."""
        return self._facts.kind == "script"

    @property
    def identity(self) -> dict[str, str]:
        """The tags that tie an MLflow run to our run."""
        facts = self._facts
        return {
            RUN_ID: facts.run_id,
            RUN_NAME: facts.run_name,
            PIPELINE: facts.pipeline,
            STACK: facts.stack,
        }

    @property
    def code_tags(self) -> dict[str, str]:
        """The tags that say which code ran."""
        return {
            key: value
            for key, value in self._facts.tags.items()
            if key.startswith(OURS) and key not in OF_LISTING
        }

    @contextmanager
    def step(self, step: StepFacts) -> Iterator[StepTracking]:
        """Point MLflow at the tracker around one attempt at a step."""
        settings = StepSettings.of(step.settings, self._to, step.name)
        tracking = StepTracking(self, step, settings)
        injection.enter(self._to, self._experiment_name(settings.experiment_name))
        active.push(tracking)
        try:
            tracking.enter()
            # A script says itself, before its first call of MLflow, which experiment it belongs to.
            if step.tracked and not self.is_script:
                tracking.open()
            yield tracking
        except BaseException as error:
            with suppress(Exception):  # what went wrong in the step is what is told
                self._leave(tracking, status_of(error))
            raise
        else:
            self._leave(tracking, "completed")
        finally:
            active.pop(tracking)
            injection.leave()

    def cached(self, step: StepFacts, source: Mapping[str, Any]) -> dict[str, Any]:
        """Tag the run with the MLflow run that a cached step was logged to when it ran; a cached one leads further back."""
        origin = source.get("mlflow_source_run_id") or source.get("mlflow_run_id")
        if not step.tracked and not origin:
            return {}
        settings = StepSettings.of(step.settings, self._to, step.name)
        injection.enter(self._to, self._experiment_name(settings.experiment_name))
        try:
            run = self.shared(None, settings.experiment_name)
            self.tag(run, {f"mlx.cached.{step.name}": str(origin or "not tracked")})
        finally:
            injection.leave()
        link = source.get("mlflow_source_url") or source.get("experiment_tracker_url")
        traced = {"mlflow_source_run_id": origin, "mlflow_source_url": link} if origin else {}
        return {**self.metadata(run), **traced}

    def measured(self) -> Measured:
        """Return the final metrics and params of all its runs: a parent's count before those of its children."""
        if not self._noted:
            return {}, {}
        found = self._backend().measures(list(self._noted))
        metrics: dict[str, float] = {}
        params: dict[str, str] = {}
        for run_id in sorted(self._noted, key=lambda run_id: self._noted[run_id]):
            if run_id not in found:
                continue
            metrics.update(found[run_id][0])
            params.update((key, mask_text(value)) for key, value in found[run_id][1].items())
        return metrics, params

    def attach(self, name: str, content: bytes) -> None:
        """Put a small file among the artifacts of every run that the steps share."""
        for run in list(self._shared.values()):
            self._backend().attach(run.run_id, name, content)

    def finish(self, status: FinalStatus) -> None:
        """End every run that is open; raises when the tracker could not be told, after trying all of them."""
        open_still = {**self._not_ended, **{run.run_id: status for run in self._shared.values()}}
        self._not_ended = {}
        for run_id, final in open_still.items():
            self.end(run_id, final)
        if self._not_ended:
            raise MlxError(
                f"tracker {self._to.name!r} could not be told how {len(self._not_ended)} of its runs ended"
            )

    def shared(self, experiment_id: str | None, experiment_name: str | None) -> OpenRun:
        """Return the run that the steps of this pipeline run share in an experiment, opened now if it was not yet."""
        with self._lock:
            if experiment_id is None:
                experiment_id = self._experiment(self._experiment_name(experiment_name))
            if experiment_id not in self._shared:
                run = self._create(experiment_id, self._facts.run_name, self._run_tags())
                self._shared[experiment_id] = run
                if self._facts.parameters:
                    params = {key: mask_text(value) for key, value in self._facts.parameters.items()}
                    self._backend().log(run.run_id, params=params)
            return self._shared[experiment_id]

    def child(self, parent: OpenRun, step: StepFacts, tags: Mapping[str, str]) -> OpenRun:
        """Open the child run of one attempt at a step."""
        name = step.name if step.attempt == 1 else f"{step.name} (attempt {step.attempt})"
        own = {
            **_system_tags(),
            **self.identity,
            **_step_tags(step),
            **tags,
            "mlflow.parentRunId": parent.run_id,
        }
        return self._create(parent.experiment_id, name, own, parent=False)

    def describe_step(self, run: OpenRun, step: StepFacts, tags: Mapping[str, str]) -> None:
        """Put a step's tags on the shared run, and say that it had to be tried again."""
        told = dict(tags)
        if step.attempt > 1:
            told[f"mlx.attempts.{step.name}"] = str(step.attempt)
        if told:
            self.tag(run, told)

    def tag(self, run: OpenRun, tags: Mapping[str, str]) -> None:
        """Set tags on a run."""
        self._backend().log(run.run_id, tags={key: mask_text(value) for key, value in tags.items()})

    def rename(self, run: OpenRun, name: str) -> None:
        """Give a run the name that user code chose."""
        self._backend().rename(run.run_id, mask_text(name))
        run.entity = None

    def end(self, run_id: str, status: FinalStatus) -> None:
        """Set a run's final status; one that the tracker does not take now is told again by `finish`."""
        try:
            self._backend().end(run_id, status)
            self._not_ended.pop(run_id, None)
        except Exception:
            self._not_ended[run_id] = status

    def note(self, run_id: str, *, parent: bool = False) -> None:
        """Tell history of a run, so that the sweep can close it after a crash."""
        self._noted[run_id] = parent or self._noted.get(run_id, False)
        self._on_open(TrackerRun(self._to.name, self._to.shown_uri, run_id, parent=parent))

    def metadata(self, run: OpenRun) -> dict[str, Any]:
        """Return what a step run remembers of an MLflow run."""
        return {
            "experiment_tracker_url": run_url(self._to, run.experiment_id, run.run_id),
            "mlflow_run_id": run.run_id,
            "mlflow_experiment_id": run.experiment_id,
        }

    def _leave(self, tracking: StepTracking, status: FinalStatus) -> None:
        try:
            if tracking.facts.tracked and self.is_script:
                tracking.open()
        finally:
            tracking.close(status)

    def _create(
        self, experiment_id: str, name: str, tags: Mapping[str, str], *, parent: bool = True
    ) -> OpenRun:
        masked = {key: mask_text(value) for key, value in tags.items()}
        run_id = self._backend().create_run(experiment_id, mask_text(name), masked)
        try:
            self.note(run_id, parent=parent)
        except BaseException:
            self.end(run_id, "failed")
            raise
        return OpenRun(run_id, experiment_id)

    def _run_tags(self) -> dict[str, str]:
        facts = self._facts
        commit = facts.tags.get(COMMIT)
        source = {"mlflow.source.git.commit": commit} if commit else {}
        process = {"mlx.pid": str(os.getpid()), HOST: _host(), "mlx.boot": _boot_id(), KIND: facts.kind}
        return {**_system_tags(), **source, **self.identity, **facts.tags, **process, **self._to.tags}

    def _experiment_name(self, name: str | None) -> str:
        chosen = name or self._facts.pipeline
        if self._to.scenario == "databricks" and not chosen.startswith("/"):
            return f"/Shared/{chosen}"  # experiments are workspace objects there, and need an absolute path
        return chosen

    def _experiment(self, name: str) -> str:
        if name not in self._experiments:
            self._experiments[name] = self._backend().experiment(name)
        return self._experiments[name]


def _step_tags(step: StepFacts) -> dict[str, str]:
    return {STEP: step.name, STEP_RUN_ID: step.step_run_id, "mlx.attempt": str(step.attempt)}


def _system_tags() -> dict[str, str]:
    """Return the tags that MLflow sets on its own runs."""
    return {
        USER: _user(),
        "mlflow.source.name": Path(sys.argv[0]).name or "python",
        "mlflow.source.type": "LOCAL",
    }


def _host() -> str:
    return os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")


@cache
def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may run under a number that has no name
        return str(os.getuid()) if hasattr(os, "getuid") else ""


@cache
def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
