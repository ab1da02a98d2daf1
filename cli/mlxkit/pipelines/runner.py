"""One pipeline run, from its parameters to its final status."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from .._version import __version__
from ..errors import Interrupted, InterruptedRunError, MlxError, StepFailedError
from ..records import plain
from ..runs.code import capture_code
from ..runs.environment import capture_environment
from ..runs.liveness import Heartbeat
from ..runs.records import TRACKER_LINK, TRACKER_NAME, RunRecord, StepRecord
from ..runs.sources import SourceKeeper
from ..runs.sweep import sweep
from ..runs.tagging import checked
from ..runs.views import RunView
from ..secrets.masking import mask_text
from ..stacks.protocols import FinalStatus, RunFacts, RunTracking, TrackerRun
from ..stacks.tags import CODE_DIGEST, COMMIT
from ..stacks.tags import RERUN_OF as RERUN_TAG
from .attaching import attach_graph
from .body import Body, current_body, new_id, running
from .capture import RunOutput
from .context import PipelineContext, current_pipeline, current_step
from .decorators import STEPS, Pipeline
from .estimate import steps_last_time
from .execute import StepServices
from .invocation import KEY, RERUN_OF, metadata_of
from .models import RUN_KEY as MODEL
from .models import Model
from .parameters import bind, call_arguments
from .plan import StepDefaults, StepPlan
from .session import Session, current_session
from .signals import SignalGuard, Terminated
from .standalone import say_errors
from .tracebacks import cause_of, summary_of, user_traceback, where


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
            body = Body(run.services, plan, run.records)
            with running(body):
                given, named = call_arguments(self.pipeline.function, values)
                self.pipeline.function(*given, **named)
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
        template = self.session.options.name or self.pipeline.run_name or self._config().run_name
        if template is None:
            return None
        now = datetime.now()
        return str(template).replace("{date}", f"{now:%Y_%m_%d}").replace("{time}", f"{now:%H_%M_%S_%f}")


class RunScope:
    """The record of a run around the code that makes it: begins it, ends it as it was, closes trackers."""

    def __init__(
        self,
        session: Session,
        pipeline: str,
        *,
        parameters: Mapping[str, Any],
        name: str | None = None,
        kind: str = "pipeline",
        model: Model | None = None,
        tags: Sequence[str] = (),
    ) -> None:
        now = datetime.now()
        self.session = session
        self.records: list[StepRecord] = []
        self.metrics: dict[str, float] = {}
        self.verdict: tuple[FinalStatus, str] | None = None  # of what ends without an exception
        self.parameters = parameters
        self._trackings: dict[str, RunTracking] = {}
        self._stack = ExitStack()
        file = session.options.file
        self.root = project_root(session)
        repeat = session.options.repeat
        code = dict(repeat.code) if repeat else _code(self.root, file)
        metadata = metadata_of(session, pipeline, self.root)
        used = Path(metadata[KEY]["file"]) if KEY in metadata else file
        self._sources = None if repeat else SourceKeeper(session.state_dir, self.root, used, code)
        self.record = RunRecord(
            id=new_id(), name=name or f"{pipeline}-{now:%Y_%m_%d-%H_%M_%S_%f}", pipeline=pipeline, stack=session.stack.name,
            status="running", started=time.time(), kind=kind, file=_relative(file, self.root), parameters=plain(dict(parameters)),
            code={**code, **self._sources.keep()} if self._sources else code,
            metadata=metadata,
        )  # fmt: skip
        if repeat:
            repeat.made[pipeline, session.calls] = self.record.id
        told = [checked(tag) for tag in session.options.tags]
        if tags or told:
            self.record = replace(self.record, tags=tuple(dict.fromkeys([*self.record.tags, *tags, *told])))
        self.context = PipelineContext(
            pipeline, self.record.id, self.record.name, self.record.stack, parameters,
            metadata={MODEL: model.described()} if model else {}, model=model, session=session,
        )  # fmt: skip
        self.output = RunOutput(session.state_dir / "logs" / self.record.id)
        self.services = StepServices(
            run=self.context, root=self.root, history=session.history, store=session.store, orchestrator=session.orchestrator, reporter=session.reporter,
            output=self.output, tracking=self.tracking,
        )  # fmt: skip

    def __enter__(self) -> RunScope:
        environment = capture_environment()
        digest = hashlib.sha256(repr(sorted(environment.items())).encode()).hexdigest()[:16]
        heartbeat = Heartbeat(self.session.history.alive_dir, self.record.id)
        self._stack.callback(heartbeat.stop)
        self.session.history.begin_run(self.record, environment, digest)
        self.session.reporter.run_started(
            self.record.name, self.record.stack, self.session.forced_tracker or self.session.stack_tracker
        )
        self._stack.enter_context(SignalGuard())
        self._stack.enter_context(self.output)
        token = current_pipeline.set(self.context)
        self._stack.callback(lambda: current_pipeline.reset(token))
        return self

    def tracking(self, tracker: str) -> RunTracking:
        """Return this run on a tracker, opened when it is first asked for."""
        if tracker not in self._trackings:
            self._trackings[tracker] = self.session.tracker(tracker).open(self._facts(), self._remember)
        return self._trackings[tracker]

    @property
    def failed(self) -> list[StepRecord]:
        """The steps that failed, in order; a script fails by what it raises."""
        return [item for item in self.records if item.status == "failed" and self.record.kind == "pipeline"]

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        status, text = self._verdict(error)
        try:
            self._end(status, text)
        finally:
            self._stack.close()
        links = self._links()
        self.session.reporter.summarised(self.record, self.records, self.metrics, links)
        if status == "failed" and not self.failed:
            self.session.reporter.failed_at(
                f"run {self.record.name}", summary_of(text), where(cause_of(error))
            )
        self.session.reporter.run_ended(self.record.name, status, self.record.duration or 0.0, links)
        self._raise(error)

    def _verdict(self, error: BaseException | None) -> tuple[FinalStatus, str]:
        if self.verdict is not None and error is None:
            return self.verdict
        if isinstance(error, (KeyboardInterrupt, Terminated)):
            return "killed", "Ctrl-C" if isinstance(error, KeyboardInterrupt) else "SIGTERM"
        if isinstance(error, SystemExit) and error.code in (None, 0) and not self.failed:
            return "completed", ""
        if self.failed:
            return "failed", f"step {', '.join(record.name for record in self.failed)} failed"
        if error is not None:
            return "failed", mask_text(
                error.message if isinstance(error, MlxError) else user_traceback(error)
            )
        return "completed", ""

    def _end(self, status: FinalStatus, text: str) -> None:
        """Close every tracker, then history; a tracker that fails to answer leaves its run to the sweep."""
        open_still = False
        metrics = self.metrics
        params: dict[str, str] = {}
        if self._trackings:
            ending = replace(self.record, status=status, ended=time.time(), error=text)
            attach_graph(
                ending, self.records, self._trackings, self.session.state_dir, self.session.reporter.detail
            )
        for name, tracking in self._trackings.items():
            try:
                told = tracking.measured()
                metrics.update(told[0])
                params = {**params, **told[1]}
            except Exception as problem:
                self.session.reporter.detail(
                    mask_text(f"tracker {name!r} did not say what was measured: {problem}")
                )
            try:
                tracking.finish(status)
            except Exception as problem:
                open_still = True
                self.session.reporter.detail(
                    mask_text(
                        f"tracker {name!r} could not be closed: {problem}; the next command tries again"
                    )
                )
        metadata = plain({**self.record.metadata, **self.context.metadata})
        late = self._sources.keep() if self._sources else {}
        if late:
            self.record = replace(self.record, code={**self.record.code, **late})
            self.session.history.update_code(self.record.id, self.record.code)
        self.session.history.finish_run(
            self.record.id,
            status,
            error=text,
            metadata=metadata,
            measured=(metrics, params),
            close_trackers=not open_still,
        )
        self.record = replace(self.record, status=status, ended=time.time(), error=text, metadata=metadata)

    def _raise(self, error: BaseException | None) -> None:
        if isinstance(error, KeyboardInterrupt):
            raise InterruptedRunError(
                Interrupted(
                    f"run {self.record.name} was interrupted",
                    hint="run it again: completed steps come from the cache",
                )
            ) from None
        if isinstance(error, Terminated):
            raise SystemExit(143) from None
        if self.failed and (error is None or isinstance(error, (StepFailedError, SystemExit))):
            summary = summary_of(self.failed[0].error)
            raise StepFailedError(
                f"step {self.failed[0].name!r} failed: {summary}", hint=f"mlx runs describe {self.record.id}"
            ) from None

    def _links(self) -> dict[str, str]:
        """Return where to look: the run on its tracker, and what serves a local tracker's address."""
        links = {}
        for step in self.records:
            if step.metadata.get(TRACKER_LINK):
                links["tracker"] = str(step.metadata[TRACKER_LINK])
                name = str(step.metadata[TRACKER_NAME])
                if not self.session.tracker_component(name).attributes.get("tracking_uri"):
                    links["tracker"] += f" (served by: mlx tracker ui {name})"
        links["see"] = f"mlx runs describe {self.record.id}"
        return links

    def _remember(self, run: TrackerRun) -> None:
        self.session.history.add_tracker_run(self.record.id, run)

    def _facts(self) -> RunFacts:
        code = self.record.code
        tags = {
            "mlx.version": __version__,
            COMMIT: code.get("commit"),
            CODE_DIGEST: code.get("digest"),
            RERUN_TAG: self.record.metadata.get(RERUN_OF),
        }
        return RunFacts(
            run_id=self.record.id, run_name=self.record.name, pipeline=self.record.pipeline, stack=self.record.stack, kind=self.record.kind,
            parameters={name: str(value) for name, value in self.parameters.items()},
            tags={key: str(value) for key, value in tags.items() if value},
        )  # fmt: skip


def project_root(session: Session) -> Path:
    """Return the folder whose functions belong to the project: that of mlx.yaml when the file lies in it, else the file's own."""
    if session.options.repeat is not None:
        return session.options.repeat.root
    home = session.project.config_path.parent.resolve()
    file = session.options.file
    folder = file.resolve().parent if file else Path.cwd()
    if session.project.origin != "user" and folder.is_relative_to(home):
        return home
    return folder


def _relative(file: Path | None, root: Path) -> str:
    if file is None:
        return ""
    resolved = file.resolve()
    return str(resolved.relative_to(root)) if resolved.is_relative_to(root) else str(resolved)


def _code(root: Path, file: Path | None) -> dict[str, Any]:
    code = dict(capture_code(root))
    if file is not None and file.is_file():
        code["digest"] = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    return code
