"""The record of a run around the code that makes it: begun, ended as it was, its trackers closed."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from ..errors import Interrupted, InterruptedRunError, MlxError, StepFailedError
from ..records import plain
from ..runs.environment import capture_environment
from ..runs.liveness import Heartbeat
from ..runs.queries import RunQueries
from ..runs.records import TRACKER_LINK, TRACKER_NAME, RunRecord, StepRecord
from ..runs.rewording import reword
from ..secrets.masking import known_values, mask_text
from ..stacks.protocols import FinalStatus
from .beginning import begin
from .capture import RunOutput
from .context import PipelineContext, current_pipeline
from .executing import HistoryLog, executor_of
from .masked import masked, masked_run, masked_step
from .models import RUN_KEY as MODEL
from .models import Model
from .services import RunServices
from .session import Session
from .signals import SignalGuard, Terminated
from .tracebacks import cause_of, summary_of, user_traceback, where
from .trackings import Trackings


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
        self.session = session
        self.records: list[StepRecord] = []
        self.metrics: dict[str, float] = {}
        self.verdict: tuple[FinalStatus, str] | None = None  # of what ends without an exception
        self._stack = ExitStack()
        beginning = begin(session, pipeline, parameters=parameters, name=name, kind=kind, tags=tags)
        self._known = len(known_values())
        self.record, self.root, self._sources = beginning.record, beginning.root, beginning.sources
        self._trackings = Trackings(session, self.record, parameters)
        self.tracking = self._trackings.on
        self.context = PipelineContext(
            pipeline, self.record.id, self.record.name, self.record.stack, parameters,
            metadata={MODEL: model.described()} if model else {}, model=model, session=session,
        )  # fmt: skip
        self.output = RunOutput(session.state_dir / "logs" / self.record.id)
        self.services = RunServices(
            run=self.context, root=self.root, history=session.history, store=session.store, executor=executor_of(session, self.record, self.root), reporter=session.reporter,
            output=self.output, tracking=self.tracking, log=HistoryLog(session.history),
        )  # fmt: skip

    def __enter__(self) -> RunScope:
        environment = capture_environment()
        digest = hashlib.sha256(repr(sorted(environment.items())).encode()).hexdigest()[:16]
        heartbeat = Heartbeat(self.session.history.alive_dir, self.record.id)
        self._stack.callback(heartbeat.stop)
        self.session.history.begin_run(self.record, environment, digest)
        self.session.made.append(self.record.id)
        self.session.reporter.run_started(
            self.record.name, self.record.stack, self.session.forced_tracker or self.session.stack_tracker
        )
        self._stack.enter_context(SignalGuard())
        self._stack.enter_context(self.output)
        token = current_pipeline.set(self.context)
        self._stack.callback(lambda: current_pipeline.reset(token))
        return self

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
        before = self.record
        is_masked = self._mask_again()
        ending = replace(self.record, status=status, ended=time.time(), error=text)
        ended = self._trackings.end(ending, self.records, status)
        self.metrics.update(ended.metrics)
        if is_masked:
            self._reword(before)
        metadata = {**self.record.metadata, **masked(plain(self.context.metadata))}
        late = self._sources.keep() if self._sources else {}
        if late:
            self.record = replace(self.record, code={**self.record.code, **late})
            self.session.history.update_code(self.record.id, self.record.code)
        self.session.history.finish_run(
            self.record.id, status, error=text, metadata=metadata, measured=(self.metrics, ended.params), close_trackers=ended.all_closed,
        )  # fmt: skip
        self.record = replace(self.record, status=status, ended=time.time(), error=text, metadata=metadata)

    def _mask_again(self) -> bool:
        """Take what became a secret since it was written out of the records, before anybody is told of the end."""
        if len(known_values()) == self._known:
            return False
        self.record = masked_run(self.record)
        self.records[:] = map(masked_step, self.records)
        return True

    def _reword(self, before: RunRecord) -> None:
        """Write the masked words over those in history; where that fails the run ends all the same, and it is said."""
        history = self.session.history
        try:
            steps = RunQueries(history).steps(self.record.id)
            is_whole = reword(history, before, self.record, [*map(masked_step, steps)])
        except MlxError as error:
            self.session.reporter.warned(f"a secret stays in the run history: {error.message}")
        else:
            if not is_whole:
                self.session.reporter.warned(
                    "a secret stays in the log of the run history until it is next opened alone"
                )

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
