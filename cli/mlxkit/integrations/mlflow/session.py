"""One pipeline run on one tracker: around its steps, handed over to other processes, and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from ...errors import MlxError
from ...secrets.masking import mask_text
from ...stacks.protocols import FinalStatus, Measured, RunFacts, StepFacts, TrackerRun
from ...stacks.tags import RUN_ID, STEP_RUN_ID
from . import active
from .backend import Backend, status_of
from .connection import Connection
from .handed import HandedOver
from .inject import injection
from .run_tags import ATTEMPT, host, process_tags, system_tags
from .step_runs import StepRuns, masked
from .steps import OpenRun, StepSettings, StepTracking


class MlflowRunTracking(StepRuns):
    """The MLflow runs of one pipeline run in the process that they belong to, which ends what was opened."""

    def __init__(
        self,
        to: Connection,
        backend: Callable[[], Backend],
        facts: RunFacts,
        on_open: Callable[[TrackerRun], None],
        started_by: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(
            to, backend, facts, on_open, started_by or {**system_tags(), **process_tags(facts.kind)}
        )
        self._siblings: list[str] = []  # runs that several processes opened at once where one was meant
        self._elsewhere: set[str] = set()  # experiments in which other processes opened runs
        self._resumed: list[str] = []  # what user code in other processes took up again

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
        run = self.shared(None, settings.experiment_name)
        self.tag(run, {f"mlx.cached.{step.name}": str(origin or "not tracked")})
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

    def handed_over(self, step: StepFacts) -> HandedOver:
        """Open what the step will share with others if it is expected to log, and return what its process needs."""
        with self._lock:
            if (step.tracked or step.touches) and not self.is_script:
                settings = StepSettings.of(step.settings, self._to, step.name)
                self.shared(None, settings.experiment_name)
            self._is_alone = False
            facts = self._facts
            return HandedOver(
                facts=replace(facts, parameters=masked(facts.parameters), tags=masked(facts.tags)),
                shared={experiment: run.run_id for experiment, run in self._shared.items()},
                experiments=dict(self._experiments),
                started_by=dict(self._started_by),
                host=host(),
            )

    def learned(self, run: TrackerRun) -> None:
        """Take note of a run that another process opened; the first parent in an experiment becomes the shared one."""
        with self._lock:
            self._noted[run.run_id] = run.parent or self._noted.get(run.run_id, False)
            if not run.experiment:
                self._resumed.append(run.run_id)
            else:
                self._elsewhere.add(run.experiment)
                if run.parent:
                    ours = OpenRun(run.run_id, run.experiment, was_monitored=True)
                    if self._shared.setdefault(run.experiment, ours).run_id != run.run_id:
                        self._siblings.append(run.run_id)
        self._on_open(run)

    def abandon(self, step_run_id: str, attempts: Sequence[int]) -> None:
        """End, as killed, what attempts at a step left open when their process died; the shared run stays open."""
        died = {str(attempt) for attempt in attempts}
        for run_id, tags in self._running({STEP_RUN_ID: step_run_id}):
            if not died or tags.get(ATTEMPT) in died:
                self.end(run_id, "killed")

    def attach(self, name: str, content: bytes) -> None:
        """Put a small file among the artifacts of every run that the steps share."""
        for run in list(self._shared.values()):
            self._backend().attach(run.run_id, name, content)

    def finish(self, status: FinalStatus) -> None:
        """End every run that is open; raises when the tracker could not be told, after trying all of them."""
        with self._lock:
            shared = [*(run.run_id for run in self._shared.values()), *self._siblings]
            open_still = {**self._not_ended, **dict.fromkeys(shared, status)}
            self._not_ended = {}
        for run_id, final in open_still.items():
            self.end(run_id, final)
        for run_id in self._left_by_others():
            self.end(run_id, status)
        if self._not_ended:
            raise MlxError(
                f"tracker {self._to.name!r} could not be told how {len(self._not_ended)} of its runs ended"
            )

    def _left_by_others(self) -> Iterator[str]:
        """Yield the runs that other processes opened and never ended."""
        for run_id, _tags in self._running({}):
            if run_id not in self._not_ended:
                yield run_id
        for run_id in self._resumed:
            if self._backend().is_running(run_id):
                yield run_id

    def _running(self, tags: Mapping[str, str]) -> list[tuple[str, Mapping[str, str]]]:
        """Return the runs of ours with these tags that have no end, if any other process may have made one."""
        experiments = sorted({*self._shared, *self._elsewhere})
        if self._is_alone or not experiments:
            return []
        return list(
            self._backend().tagged(experiments, {RUN_ID: self._facts.run_id, **tags}, is_running=True)
        )

    def _leave(self, tracking: StepTracking, status: FinalStatus) -> None:
        try:
            if tracking.facts.tracked and self.is_script:
                tracking.open()
        finally:
            tracking.close(status)
