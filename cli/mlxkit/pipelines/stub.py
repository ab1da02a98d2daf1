"""The one function that workers run: it opens what came, executes the step, and sends its record back.

It is called by every executor that is not here, with bytes; nothing else of a step crosses.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..runs.records import StepRecord, artifact_of
from ..stacks.executors import Event
from ..stacks.protocols import RunTracking, TrackerRun
from . import arrival
from .context import PipelineContext, current_pipeline
from .execute import StepServices, work_on
from .fingerprint.places import Places
from .guests import serve_guests
from .masked import masked_step
from .models import NOTES_KEY
from .saying import SaidOutput, SaidReporter
from .shipping import own_modules
from .signals import SignalGuard, Terminated
from .wire import StepCode, StepResult, StepTask
from .worker import WorkerSession

Notify = Callable[[Event], None]


def perform(code: bytes, task: bytes, *, secrets: Mapping[str, str], notify: Notify, lost: int = 0) -> bytes:
    """Execute a step in this process and return its pickled StepResult.

    `lost` workers died over it before: its attempts are counted from there.
    """
    serve_guests()
    given: StepTask = pickle.loads(task)  # noqa: S301  what our own driver sent
    session = WorkerSession.of(given, secrets)
    try:
        if given.source is not None and _is_there(session, given.source):
            return pickle.dumps(StepResult(given.blank, given.source), protocol=5)
        return pickle.dumps(_worked(code, given, session, notify, lost), protocol=5)
    finally:
        if not given.keeps_secrets:
            WorkerSession.forget()


def forget_driver(root: str) -> None:
    """Make a process that was forked from the driver one that knows nothing of its run, nor of the code below `root`."""
    from .session import forget_session

    arrival.forget(own_modules(Places(Path(root))))
    forget_session()
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__


def _worked(code: bytes, given: StepTask, session: WorkerSession, notify: Notify, lost: int) -> StepResult:
    came: StepCode = arrival.unpacked(code)
    setting = given.setting
    context = PipelineContext(
        setting.pipeline, setting.run_id, setting.run_name, setting.stack, came.parameters,
        metadata=dict(setting.metadata), model=came.run_model, session=session.session,
    )  # fmt: skip
    spec = replace(
        given.spec, function=came.function, outputs=tuple(came.outputs), materializers=came.materializers,
        on_success=came.on_success, on_failure=came.on_failure, model=came.model,
    )  # fmt: skip
    log = _Log(given.earlier)
    reporter, output = SaidReporter(notify), SaidOutput(notify)
    services = StepServices(
        run=context, store=session.store, reporter=reporter, output=output, log=log,
        tracking=lambda name: _tracking(session, given, name, notify),
    )  # fmt: skip
    token = current_pipeline.set(context)
    try:
        with session.entered(), SignalGuard(), output:
            record = work_on(spec, services, replace(given.blank, attempts=lost + 1))
    except (Terminated, KeyboardInterrupt):
        if log.last is None:
            raise
        record = log.last
    finally:
        current_pipeline.reset(token)
    return StepResult(masked_step(record), notes=dict(context.metadata.get(NOTES_KEY, {})))


def _tracking(session: WorkerSession, given: StepTask, name: str, notify: Notify) -> RunTracking:
    def opened(run: TrackerRun) -> None:
        notify(("tracker_run", run))

    return session.session.tracker(name).join(given.handed, opened)


def _is_there(session: WorkerSession, source: StepRecord) -> bool:
    return all(session.store.exists(artifact_of(output)) for output in source.outputs)


class _Log:
    """Keeps the record for the way back; history is where the driver is."""

    def __init__(self, before: Sequence[StepRecord]) -> None:
        self._before = before
        self.last: StepRecord | None = None

    def keep(self, step: StepRecord) -> None:
        self.last = step

    def complete(self, step: StepRecord) -> None:
        self.last = step

    def earlier(self, step: StepRecord) -> Sequence[StepRecord]:
        return self._before
