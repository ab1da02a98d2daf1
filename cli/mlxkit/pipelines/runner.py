"""One pipeline run, from its parameters to its final status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ..runs.records import StepRecord
from ..runs.sweep import sweep
from ..runs.views import RunView
from .body import Body, current_body, running
from .context import current_step
from .decorators import STEPS, Pipeline
from .estimate import steps_last_time
from .parameters import bind, call_arguments
from .plan import StepDefaults, StepPlan
from .scope import RunScope
from .services import RunServices
from .session import Session, current_session
from .standalone import say_errors


def run_pipeline(pipeline: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Run a pipeline that was called: as a run of its own, or inside another body as part of that."""
    if current_step.get() is not None or current_body.get() is not None:
        return pipeline.function(*args, **kwargs)
    session = current_session()
    if session is None:
        session = Session()
        say_errors(session.reporter)
    session.calls += 1
    return PipelineRunner(session, pipeline).run(args, kwargs)


class PipelineRunner:
    """Runs one pipeline once in a session."""

    def __init__(self, session: Session, pipeline: Pipeline[Any, Any]) -> None:
        self.session = session
        self.pipeline = pipeline

    def run(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Run the pipeline; returns the run, raises StepFailedError when a step failed."""
        values = self._parameters(args, kwargs)
        plan = self._plan()
        if self.session.options.is_dry:
            from .dryrun import show_plan

            return show_plan(self.session, self.pipeline, plan, values)
        self.session.check(self._trackers_in_question())
        sweep(self.session.history, self.session.tracker)
        run = RunScope(
            self.session,
            self.pipeline.name,
            parameters=values,
            name=self._run_name(),
            model=self._config().model or self.pipeline.model,
            tags=self.pipeline.tags,
        )
        with run:
            self.session.reporter.expect(lambda: steps_last_time(self.session.history, self.pipeline.name))
            body = _body(run.services, plan, run.records)
            try:
                with running(body):
                    given, named = call_arguments(self.pipeline.function, values)
                    self.pipeline.function(*given, **named)
                    body.finish()
            except BaseException as error:
                body.leave(error)
                raise
            for line in plan.describe_unused():
                self.session.reporter.detail(line)
        return RunView(self.session.history, self.session.store, run.record)

    def _parameters(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        config = self._config()
        return bind(
            self.pipeline.function, f"pipeline {self.pipeline.name!r}", args, kwargs,
            config={**self.pipeline.parameters, **config.parameters} if not (args or kwargs) else dict(config.parameters),
            overrides=self.session.options.parameters,
        )  # fmt: skip

    def _config(self) -> Any:
        if self.pipeline.config_path:
            from .runconfig import read_run_config

            return read_run_config(
                Path(self.pipeline.config_path), for_pipeline=True, translate=self.pipeline.read_config
            )
        return self.session.options.config

    def _plan(self) -> StepPlan:
        config = self._config()
        enable_cache = config.enable_cache if config.enable_cache is not None else self.pipeline.enable_cache
        return StepPlan(
            stack_tracker=self.session.stack_tracker, forced_tracker=self.session.forced_tracker, stack=self.session.stack.name,
            flavor_of=lambda name: self.session.tracker_component(name).flavor, use_cache=self.session.options.use_cache,
            enable_cache=enable_cache, settings={**self.pipeline.settings, **config.settings}, steps=config.steps,
            defaults=StepDefaults(self.pipeline.retries, self.pipeline.on_success, self.pipeline.on_failure),
        )  # fmt: skip

    def _trackers_in_question(self) -> list[str]:
        """Every tracker that a step of this file names, the stack's and --tracker's: all must answer before the first step."""
        if self.session.forced_tracker is not None:
            return [self.session.forced_tracker]
        named = [step.experiment_tracker for step in STEPS if isinstance(step.experiment_tracker, str)]
        mine = [self.session.stack_tracker] if self.session.stack_tracker else []
        return list(dict.fromkeys([*mine, *named]))

    def _run_name(self) -> str | None:
        asked = self.session.options.name
        template = asked or self.pipeline.run_name or self._config().run_name
        if self.session.job is not None and not self.session.made and template in (None, asked):
            return self.session.job.name  # what whoever submitted it was told
        if template is None:
            return None
        now = datetime.now()
        return str(template).replace("{date}", f"{now:%Y_%m_%d}").replace("{time}", f"{now:%H_%M_%S_%f}")


def _body(services: RunServices, plan: StepPlan, records: list[StepRecord]) -> Body:
    """Return the body for an executor: one that waits for each step where they run here, else one that does not."""
    if services.executor.is_here:
        return Body(services, plan, records)
    from .parallel import ParallelBody

    return ParallelBody(services, plan, records)
