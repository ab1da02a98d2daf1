"""The MLflow runs of one pipeline run, as its steps use them: the run that they share, their children, and tags."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from ...secrets.masking import mask_text
from ...stacks.protocols import FinalStatus, RunFacts, StepFacts, TrackerRun
from ...stacks.tags import COMMIT, OF_LISTING, OURS
from .backend import Backend
from .connection import Connection
from .election import opened_once
from .links import run_url
from .run_tags import identity_tags, step_tags
from .steps import OpenRun


class StepRuns:
    """Opens one MLflow run per experiment when the first step needs it, and children where steps want their own."""

    def __init__(
        self,
        to: Connection,
        backend: Callable[[], Backend],
        facts: RunFacts,
        on_open: Callable[[TrackerRun], None],
        started_by: Mapping[str, str],
    ) -> None:
        self._to = to
        self._backend = backend
        self._facts = facts
        self._on_open = on_open
        self._started_by = started_by  # tags of the process that the run belongs to
        self._shared: dict[str, OpenRun] = {}
        self._experiments: dict[str, str] = {}
        self._not_ended: dict[str, FinalStatus] = {}
        self._noted: dict[str, bool] = {}  # every run that was opened, and whether it is a parent
        self._is_alone = True  # no other process may open what the steps share
        self._lock = threading.RLock()

    @property
    def is_script(self) -> bool:
        """Whether the run is a plain script, whose own words for its runs count."""
        return self._facts.kind == "script"

    @property
    def identity(self) -> dict[str, str]:
        """The tags that tie an MLflow run to our run."""
        return identity_tags(self._facts)

    @property
    def code_tags(self) -> dict[str, str]:
        """The tags that say which code ran."""
        return {
            key: value
            for key, value in self._facts.tags.items()
            if key.startswith(OURS) and key not in OF_LISTING
        }

    def shared(self, experiment_id: str | None, experiment_name: str | None) -> OpenRun:
        """Return the run that the steps of this pipeline run share in an experiment, opened now if it was not yet."""
        with self._lock:
            if experiment_id is None:
                experiment_id = self._experiment(self._experiment_name(experiment_name))
            if experiment_id not in self._shared:
                self._shared[experiment_id] = self._open_shared(experiment_id)
            return self._shared[experiment_id]

    def child(self, parent: OpenRun, step: StepFacts, tags: Mapping[str, str]) -> OpenRun:
        """Open the child run of one attempt at a step."""
        name = step.name if step.attempt == 1 else f"{step.name} (attempt {step.attempt})"
        own = {
            **self._started_by_user,
            **self.identity,
            **step_tags(step),
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
        self._backend().log(run.run_id, tags=masked(tags))

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

    def note(self, run_id: str, *, parent: bool = False, experiment: str = "") -> None:
        """Tell history of a run, so that the sweep can close it after a crash."""
        self._noted[run_id] = parent or self._noted.get(run_id, False)
        self._on_open(
            TrackerRun(self._to.name, self._to.shown_uri, run_id, parent=parent, experiment=experiment)
        )

    def metadata(self, run: OpenRun) -> dict[str, Any]:
        """Return what a step run remembers of an MLflow run."""
        return {
            "experiment_tracker_url": run_url(self._to, run.experiment_id, run.run_id),
            "mlflow_run_id": run.run_id,
            "mlflow_experiment_id": run.experiment_id,
        }

    def _open_shared(self, experiment_id: str) -> OpenRun:
        name, tags = self._facts.run_name, self._run_tags()
        if self._is_alone:
            run = self._create(experiment_id, name, tags)
        else:
            run_id, is_ours = opened_once(
                self._backend(), experiment_id, mask_text(name), masked(tags), self._facts.run_id
            )
            run = OpenRun(run_id, experiment_id, was_monitored=not is_ours)
            if not is_ours:
                return run
            self._announce(run, parent=True)
        if self._facts.parameters:
            self._backend().log(run.run_id, params=masked(self._facts.parameters))
        return run

    def _create(
        self, experiment_id: str, name: str, tags: Mapping[str, str], *, parent: bool = True
    ) -> OpenRun:
        run_id = self._backend().create_run(experiment_id, mask_text(name), masked(tags))
        run = OpenRun(run_id, experiment_id)
        self._announce(run, parent=parent)
        return run

    def _announce(self, run: OpenRun, *, parent: bool) -> None:
        try:
            self.note(run.run_id, parent=parent, experiment=run.experiment_id)
        except BaseException:
            self.end(run.run_id, "failed")
            raise

    def _run_tags(self) -> dict[str, str]:
        facts = self._facts
        commit = facts.tags.get(COMMIT)
        source = {"mlflow.source.git.commit": commit} if commit else {}
        return {**source, **self.identity, **facts.tags, **self._started_by, **self._to.tags}

    @property
    def _started_by_user(self) -> dict[str, str]:
        return {key: value for key, value in self._started_by.items() if not key.startswith(OURS)}

    def _experiment_name(self, name: str | None) -> str:
        chosen = name or self._facts.pipeline
        if self._to.scenario == "databricks" and not chosen.startswith("/"):
            return f"/Shared/{chosen}"  # experiments are workspace objects there, and need an absolute path
        return chosen

    def _experiment(self, name: str) -> str:
        if name not in self._experiments:
            self._experiments[name] = self._backend().experiment(name)
        return self._experiments[name]


def masked(pairs: Mapping[str, str]) -> dict[str, str]:
    """Return tags or params without what is known as a secret."""
    return {key: mask_text(value) for key, value in pairs.items()}
