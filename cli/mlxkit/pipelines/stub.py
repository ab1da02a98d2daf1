"""The one function that workers run: it opens what came, executes the step, and sends its record back.

It is called by every executor that is not here, with bytes; nothing else of a step crosses.
"""

from __future__ import annotations

import pickle
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

from ..runs.records import StepRecord
from ..secrets import masking
from ..stacks.executors import Event
from ..stacks.protocols import RunTracking, TrackerRun
from . import arrival
from .context import current_pipeline
from .execute import work_on
from .fingerprint.places import Places
from .guests import serve_guests
from .masked import masked_step
from .models import NOTES_KEY
from .named import stale
from .presence import first_gone
from .saying import SaidOutput, SaidReporter
from .services import StepServices
from .sharing import find_shared, publish_served
from .shipping import own_modules
from .signals import SignalGuard, Terminated
from .surroundings import within
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
    result = _found(given, session, notify) or _worked(code, given, session, secrets, notify, lost)
    return pickle.dumps(result, protocol=5)


def forget_driver(root: str) -> None:
    """Make a process that was forked from the driver one that knows nothing of its run, nor of the code below `root`."""
    from ..runs.history import close_inherited
    from .session import forget_session

    close_inherited()
    arrival.forget(own_modules(Places(Path(root))))
    forget_session()
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__


def _worked(
    code: bytes,
    given: StepTask,
    session: WorkerSession,
    secrets: Mapping[str, str],
    notify: Notify,
    lost: int,
) -> StepResult:
    came: StepCode = arrival.unpacked(code)
    context = session.context(given, came.parameters, came.run_model)
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
        with session.entered(), _around(given, secrets), SignalGuard(), _telling_secrets(notify), output:
            record = work_on(spec, services, replace(given.blank, started=time.time(), attempts=lost + 1))
    except (Terminated, KeyboardInterrupt):  # also before the step was begun
        record = log.last or replace(
            given.blank, status="killed", ended=time.time(), error="ended by a signal"
        )
    finally:
        current_pipeline.reset(token)
    return StepResult(masked_step(record), notes=dict(context.metadata.get(NOTES_KEY, {})))


def _tracking(session: WorkerSession, given: StepTask, name: str, notify: Notify) -> RunTracking:
    def opened(run: TrackerRun) -> None:
        notify(("tracker_run", run))

    return session.session.tracker(name).join(given.handed, opened)


def _found(given: StepTask, session: WorkerSession, notify: Notify) -> StepResult | None:
    """Ask the store, where asking is a journey, for what the driver found in its history, then for what others gave."""
    spec, source = given.spec, given.source
    if source is not None and first_gone(session.store, source.outputs) is None:
        run = session.context(given)
        publish_served(
            session.store, source, run, given.blank.reason, say=lambda text: notify(("detail", text))
        )
        return StepResult(given.blank, source)
    if not (spec.use_cache and given.asks_others):
        return None
    found = find_shared(
        session.store,
        given.blank.cache_key,
        session.context(given),
        is_tracked=spec.is_tracked,
        tracker=spec.tracker,
    )
    if found.source is None or stale(session.session.history, found.source.metadata) is not None:
        return None
    return StepResult(replace(given.blank, reason=found.reason), found.source)


def _around(given: StepTask, secrets: Mapping[str, str]) -> AbstractContextManager[None]:
    return within(given.surroundings, secrets) if given.surroundings is not None else nullcontext()


@contextmanager
def _telling_secrets(notify: Notify) -> Iterator[None]:
    """Tell the driver of what becomes a secret here: it writes down and shows what this worker sends."""
    known = set(masking.known_values())
    masking.listen(lambda value: None if value in known else notify(("secret", value)))
    try:
        yield
    finally:
        masking.listen(None)


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
