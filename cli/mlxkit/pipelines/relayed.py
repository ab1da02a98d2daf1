"""What a step says from a worker, told as if it ran here; and the record of one whose worker said nothing more."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

from ..errors import MlxError
from ..runs.records import StepRecord
from ..secrets.masking import mask_text, register
from ..stacks.executors import LOST, CancelledWorkError, Event
from ..stacks.protocols import StepFacts
from .execute import facts_of as facts_of_step
from .services import RunServices, StepSpec
from .tracebacks import user_traceback

_lock = threading.RLock()  # events come from several threads; lines of different steps do not mix


class RelayedStep:
    """One step on a worker, seen from the driver."""

    def __init__(self, services: RunServices, spec: StepSpec) -> None:
        self._services = services
        self._spec = spec
        self.reporter = services.reporter
        self.has_started = False
        self._lost = 0
        self._began = time.time()

    def facts(self, blank: StepRecord) -> StepFacts:
        """Return what the tracker is told of the step."""
        return facts_of_step(self._spec, 1, self._services, blank)

    def take(self, event: Event) -> None:
        """Act on what the worker says."""
        kind, said = event[0], event[1:]
        if kind == "tracker_run" and self._spec.tracker is not None:
            self._services.tracking(self._spec.tracker).learned(said[0])
        elif kind == LOST:
            self._was_lost(said[0])
        with _lock:  # not while a server is asked: other steps go on
            if kind == "started":
                self._start()
            elif kind == "output":
                self._services.output.relay(
                    self._spec.name, self._spec.position, said[0], is_gathered=self.reporter.gathers()
                )
            elif kind == "noted":
                self._services.output.relay(
                    self._spec.name, self._spec.position, said[0] + "\n", is_shown=False
                )
            elif kind == "secret":
                register(said[0])
            elif kind == "retried":
                self.reporter.step_retried(self._spec.name, said[0], mask_text(said[1]))
            elif kind == "detail":
                self.reporter.detail(mask_text(said[0]))
            elif kind == "warned":
                self.reporter.warned(mask_text(said[0]))
            elif kind == "failed_at":
                self.reporter.failed_at(mask_text(said[0]), mask_text(said[1]), said[2])

    def ended(self, record: StepRecord) -> None:
        """Tell of a step that came to its end."""
        with _lock:
            self._end(record)

    def stopped(self, record: StepRecord) -> StepRecord:
        """Return the record of a step that a signal ended, and not the end of the run: it failed."""
        text = "a signal ended it on its worker"
        self.reporter.detail(f"{text}\n  in step {self._spec.name!r}")
        return replace(record, status="failed", error=text)

    def lost(self, blank: StepRecord, error: MlxError) -> StepRecord:
        """Return the record of a step whose worker died or was stopped, after telling of it."""
        is_killed = isinstance(error, CancelledWorkError)
        if not is_killed:
            self._lost += 1
        self._abandon()
        return self._over(blank, "killed" if is_killed else "failed", error.message)

    def broken(self, blank: StepRecord, error: BaseException) -> StepRecord:
        """Return the record of a step that the worker could not execute at all."""
        text = error.message if isinstance(error, MlxError) else user_traceback(error)
        return self._over(blank, "failed", text)

    def _over(self, blank: StepRecord, status: str, text: str) -> StepRecord:
        text = mask_text(text)
        record = replace(
            blank,
            status=status,
            started=self._began,
            ended=time.time(),
            error=text,
            attempts=max(self._lost, 1),
        )
        with _lock:
            self._services.output.relay(self._spec.name, self._spec.position, text + "\n", is_shown=False)
            if status == "failed":
                self.reporter.detail(f"{text}\n  in step {self._spec.name!r}")
                self.reporter.failed_at(f"step {self._spec.name}", text.splitlines()[0] if text else "", "")
            self._end(record)
        return record

    def _was_lost(self, reason: str) -> None:
        self._lost += 1
        self.reporter.step_retried(self._spec.name, self._lost, mask_text(reason))
        self._abandon()

    def _abandon(self) -> None:
        """Have the tracker end what the dead attempt left open there; a tracker that does not answer leaves it to the sweep."""
        if self._spec.tracker is None:
            return
        try:
            tracking: Any = self._services.tracking(self._spec.tracker)
            tracking.abandon(self._spec.id, ())  # nobody knows which attempt the worker had come to
        except Exception as problem:
            self.reporter.detail(
                mask_text(f"what the lost attempt left on the tracker stays open: {problem}")
            )

    def _start(self) -> None:
        if not self.has_started:
            self.has_started = True
            self._began = time.time()
            if not self.reporter.gathers():
                self.reporter.step_started(self._spec.name)

    def _end(self, record: StepRecord) -> None:
        self._start()
        if self.reporter.gathers():
            self.reporter.step_started(self._spec.name)
        self._services.output.end_relay(self._spec.position)
        self.reporter.step_ended(self._spec.name, record.status, record.duration)
