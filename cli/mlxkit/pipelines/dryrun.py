"""`mlx run --dry-run`: which steps would come from the cache, which would run, and why; nothing is written."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from ..dataclass import dataclass
from ..errors import MlxError, UsageError
from ..records import Record
from ..runs.records import OutputRecord, StepRecord
from ..stacks.resources import Resources, refuse_impossible, shown
from .body import Body, StepSource, handles_of, running
from .context import PipelineContext
from .decorators import Pipeline, Step
from .executing import HistoryLog, executor_of
from .lookup import ask_cache
from .parameters import call_arguments
from .plan import StepPlan
from .resources import resources_of
from .services import RunServices
from .session import Session


@dataclass(frozen=True)
class PlannedStep(Record):
    """One step as it would go: cached, run, or unknown because it depends on a step that would run."""

    name: str
    action: str
    reason: str
    resources: str = ""


@dataclass(frozen=True)
class Plan:
    """What a pipeline call returns in a dry run; a file that looks at its run cannot go on from here."""

    steps: tuple[PlannedStep, ...]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise UnknownValueError(f"the file asks for {name!r} of a run, and a dry run makes none")


class UnknownValueError(MlxError):
    """The pipeline body asked for the value of a step that a dry run does not execute."""


class _Unknown(StepSource):
    """A step that would run: it can be passed on, its value is not known."""

    def record(self, output: str) -> OutputRecord:
        raise UnknownValueError(f"the rest depends on the value of step {self.name!r}, which would run")


class DryBody(Body):
    """Walks the pipeline body and asks the cache about every step instead of executing it."""

    is_dry = True
    planned: list[PlannedStep]

    def call_step(self, step: Step[Any, Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        name, given, _, handles = self._sorted(step, args, step.with_parameters(args, kwargs))
        unknown = [item._mlx_source.name for item in handles if isinstance(item._mlx_source, _Unknown)]
        now = time.time()
        record = StepRecord(
            id="", run_id="", name=name, position=len(self.records), status="skipped", started=now, ended=now
        )
        self.records.append(record)
        asks = self._asks(step, name)
        source: StepSource
        if unknown:
            self.planned.append(
                PlannedStep(
                    name, "unknown", f"depends on {', '.join(dict.fromkeys(unknown))}, which would run", asks
                )
            )
            source = _Unknown(record, self, {})
        else:
            answer = ask_cache(self._spec(step, name, args, given), self.services)
            self.planned.append(PlannedStep(name, "cached" if answer.source else "run", answer.reason, asks))
            if answer.source is None:
                source = _Unknown(record, self, {})
            else:
                served = replace(record, status="cached", outputs=answer.source.outputs)
                source = StepSource(served, self, {output.name: output.type for output in step.outputs})
        self.sources[name] = source
        return handles_of(source, step)

    def _asks(self, step: Step[Any, Any], name: str) -> str:
        """Return what a step asks of the engine, and that there is no such thing where there is none."""
        options = self.plan.options_for(name, step.name)
        asked = resources_of(
            f"step {name!r}", step.resources, self.plan.settings, step.settings, options.settings
        )
        text = ", ".join(f"{key}={shown(key, amount)}" for key, amount in asked.wants().items())
        if self.services.executor.is_here:  # nothing is set aside for a step in this process
            return text if asked != Resources() else ""
        try:
            refuse_impossible(asked, self._nodes, f"step {name!r}")
        except UsageError as error:
            return f"{text} (never: {error.message.partition('; ')[2]})"
        return text

    @cached_property
    def _nodes(self) -> Sequence[Mapping[str, float]]:
        """What the engine has; nothing where it does not answer, which a run will say."""
        try:
            return self.services.executor.cluster_resources()
        except MlxError as error:
            self.services.reporter.detail(error.message)
            return ()


def show_plan(
    session: Session, pipeline: Pipeline[Any, Any], plan: StepPlan, values: Mapping[str, Any]
) -> Plan:
    """Walk a pipeline, collect its plan in the session, and return what stands for the run."""
    from .beginning import project_root
    from .capture import RunOutput

    root = project_root(session)
    context = PipelineContext(pipeline.name, "", "dry-run", session.stack.name, values)
    services = RunServices(
        run=context, root=root, history=session.history, store=session.store, executor=executor_of(session, None, root), reporter=session.reporter,
        output=RunOutput(session.state_dir / "logs"), tracking=_no_tracking, log=HistoryLog(session.history),
    )  # fmt: skip
    body = DryBody(services, plan, [])
    body.planned = []
    try:
        with running(body):
            given, named = call_arguments(pipeline.function, values)
            pipeline.function(*given, **named)
        for line in plan.describe_unused():
            session.reporter.detail(line)
    except UnknownValueError as stop:
        body.planned.append(PlannedStep("...", "unknown", stop.message))
    services.executor.close()
    session.planned.extend(body.planned)
    return Plan(tuple(body.planned))


def _no_tracking(_name: str) -> Any:
    raise AssertionError("a dry run opens no tracker")
