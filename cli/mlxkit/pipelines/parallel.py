"""The running pipeline body where steps run on workers: a step call returns at once, and waits for nothing but its inputs."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from ..runs.queries import RunQueries
from ..runs.records import StepRecord
from ..secrets.masking import mask_text
from ..stacks.executors import CancelledWorkError, WorkerLostError
from ..stacks.resources import Resources, refuse_impossible
from .body import Body, StepSource, handles_of
from .decorators import Step
from .dispatch import Dispatch, Packed
from .execute import begun, serve
from .handles import Handle
from .lookup import code_of
from .mailbox import Mailbox
from .plan import StepPlan
from .relayed import RelayedStep
from .services import RunServices, StepSpec
from .wire import StepResult

_DONE = ("completed", "cached")
_NEVER_BEGAN = "the run ended before it began"


class WaitingSource(StepSource):
    """A step that was called and may not have ended yet."""

    def __init__(self, name: str, body: ParallelBody, declared: Mapping[str, Any]) -> None:
        self.name = name
        self._body: ParallelBody = body
        self._declared = declared
        self._ended: StepRecord | None = None
        self.spec: StepSpec | None = None
        self.packed: Packed | None = None
        self.is_submitted = False
        self.waits_for: dict[int, WaitingSource] = {}
        self.followers: list[WaitingSource] = []

    @property
    def has_ended(self) -> bool:
        """Whether there is a record of the step."""
        return self._ended is not None

    @property
    def is_settled(self) -> bool:
        """Whether its outputs are there; those of a step that failed never are, and who waits for them is skipped."""
        return self._ended is not None and self._ended.status in _DONE

    def ended(self) -> StepRecord:
        """Return the step's record once there is one."""
        if self._ended is None:
            self._body.mailbox.wait_until(lambda: self._ended is not None)
        assert self._ended is not None
        return self._ended

    def settle(self, record: StepRecord) -> None:
        """Say how the step ended."""
        self._ended = record
        self.spec = self.packed = None  # ten thousand steps of a run are not kept twice


class ParallelBody(Body):
    """Collects step calls, gives each to the executor once its inputs are there, and records what comes back."""

    def __init__(self, services: RunServices, plan: StepPlan, records: list[StepRecord]) -> None:
        super().__init__(services, plan, records)
        self.mailbox = Mailbox()
        self.dispatch = Dispatch(services)
        self._position = 0
        self._is_ending = False
        self._open: dict[str, WaitingSource] = {}
        self._in_flight: dict[str, WaitingSource] = {}
        self._inputs_of: dict[str, list[Any]] = {}
        self._nodes: Sequence[Mapping[str, float]] | None = None

    def call_step(self, step: Step[Any, Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Take one step call and return its handle, or a tuple of them, at once."""
        name, given, after, handles = self._sorted(step, args, step.with_parameters(args, kwargs))
        source = WaitingSource(name, self, {output.name: output.type for output in step.outputs})
        spec = self._spec(step, name, args, given, after)
        self._position += 1
        self._refuse_impossible(spec)
        # As things are now: the body may change them after the call.
        spec = replace(spec, arguments=spec.arguments.kept())
        spec = source.spec = replace(spec, code=code_of(spec, self.services, is_at_call=True))
        source.packed = self.dispatch.packed(spec)
        self.sources[name] = source
        self._open[name] = source
        self.mailbox.at_once(lambda: self._queue(source, handles))
        return handles_of(source, step)

    def next_position(self) -> int:
        return self._position

    def finish(self) -> None:
        """Wait for every step that was called."""
        self.mailbox.wait_until(lambda: not self._open)
        self.mailbox.close()
        self.services.executor.close()
        self.records.sort(key=lambda record: record.position)

    def leave(self, error: BaseException) -> None:
        """Let what was called come to its end where the body itself failed; end it where the run is to end."""
        if isinstance(error, (Exception, SystemExit)) and not self.mailbox.has_problem:
            try:
                self.finish()
                return
            except Exception as problem:
                self.services.reporter.detail(mask_text(str(problem)))
            except BaseException:  # Ctrl-C while it waited
                self._abandon()
                raise
        self._abandon()

    def _abandon(self) -> None:
        """End what runs; what did not come to its end is recorded as killed, what never began as skipped."""
        self._is_ending = True
        try:
            self.services.executor.close(cancel=True)
        finally:
            self.mailbox.drain()
            kept = self._kept() if self._open else {}
            for source in list(self._open.values()):
                record = kept.get(source.name)
                self._end(source, record or self._abandoned(source), is_kept=record is not None)
            self.mailbox.close()
            self.records.sort(key=lambda record: record.position)

    def _kept(self) -> dict[str, StepRecord]:
        """Return the steps that history has, by name: a Ctrl-C may come between that and our taking note of it."""
        run_id = self.services.run.run_id
        return {item.name: item for item in RunQueries(self.services.history).steps(run_id)}

    def _queue(self, source: WaitingSource, handles: Sequence[Handle]) -> None:
        for handle in handles:
            upstream = handle._mlx_source
            if isinstance(upstream, WaitingSource) and not upstream.has_ended:
                source.waits_for[id(upstream)] = upstream
        for upstream in source.waits_for.values():
            upstream.followers.append(source)
        self._inputs_of[source.name] = [handle._mlx_source for handle in handles]
        if not source.waits_for:
            self._begin([source])

    def _refuse_impossible(self, spec: StepSpec) -> None:
        """Raise UsageError when the engine can never give a step what it asks for."""
        if spec.resources == Resources():
            return
        if self._nodes is None:
            self._nodes = self.services.executor.cluster_resources()
        refuse_impossible(spec.resources or Resources(), self._nodes, f"step {spec.name!r}")

    def _begin(self, first: list[WaitingSource]) -> None:
        """Start steps whose inputs are there; one that needs no worker makes others ready."""
        ready = deque(first)
        while ready:
            source = ready.popleft()
            spec = source.spec
            assert spec is not None
            if self._is_ending:
                ready += self._settled(source, self._skip_record(spec, _NEVER_BEGAN))
                continue
            broken = [
                item for item in self._inputs_of.pop(source.name, ()) if item.ended().status not in _DONE
            ]
            if broken:
                ready += self._settled(source, self._skipped(spec, broken[0].name))
                continue
            spec = source.spec = replace(spec, arguments=spec.arguments.settled())
            is_far = bool(getattr(self.services.store, "is_remote", False))
            blank, cached = begun(spec, self.services, trusts_store=is_far)
            same = self._in_flight.get(blank.cache_key) if spec.use_cache else None
            if same is not None:  # it will be in the cache when that one ends
                self._inputs_of[source.name] = []
                same.followers.append(source)
                source.waits_for = {id(same): same}
                continue
            if cached is not None and not is_far:
                ready += self._settled(source, serve(spec, self.services, blank, cached), is_kept=True)
                continue
            if spec.use_cache:
                self._in_flight[blank.cache_key] = source
            self._submit(source, spec, blank, cached)

    def _submit(
        self, source: WaitingSource, spec: StepSpec, blank: StepRecord, cached: StepRecord | None
    ) -> None:
        assert source.packed is not None
        relayed = RelayedStep(self.services, spec)
        try:
            future = self.dispatch.submit(spec, blank, cached, source.packed, relayed)
        except Exception as error:  # a tracker's too: it costs the step, as where steps run here
            failed = relayed.broken(blank, error)
            self.mailbox.put(lambda: self._follow(self._settled(source, failed)))
            return
        source.is_submitted = True
        future.add_done_callback(
            lambda done: self.mailbox.put(lambda: self._came_back(source, spec, blank, done, relayed))
        )

    def _came_back(
        self,
        source: WaitingSource,
        spec: StepSpec,
        blank: StepRecord,
        done: Future[Any],
        relayed: RelayedStep,
    ) -> None:
        if source.has_ended:
            return
        try:
            result = self.dispatch.opened(done, blank)
        except (WorkerLostError, CancelledWorkError) as error:
            if isinstance(error, CancelledWorkError) and not relayed.has_started:
                self._follow(self._settled(source, self._skip_record(spec, _NEVER_BEGAN)))
                return
            self._follow(self._settled(source, relayed.lost(blank, error)))
        except BaseException as error:  # whatever the step raised: it is not ours to stop for
            if not isinstance(error, Exception) and error is not done.exception():
                raise  # Ctrl-C, meanwhile
            self._follow(self._settled(source, relayed.broken(blank, error)))
        else:
            self._take(source, spec, result, relayed)

    def _take(self, source: WaitingSource, spec: StepSpec, result: StepResult, relayed: RelayedStep) -> None:
        if result.notes:
            from .models import NOTES_KEY

            self.services.run.metadata.setdefault(NOTES_KEY, {}).update(result.notes)
        if result.source is not None:
            served = serve(spec, self.services, result.record, result.source, is_published=True)
            self._follow(self._settled(source, served, is_kept=True))
        else:
            record = result.record
            if record.status == "killed" and not self._is_ending:  # by nobody that we know of
                record = relayed.stopped(record)
            relayed.ended(record)
            self._follow(self._settled(source, record))

    def _follow(self, ready: list[WaitingSource]) -> None:
        self._begin(ready)

    def _settled(
        self, source: WaitingSource, record: StepRecord, *, is_kept: bool = False
    ) -> list[WaitingSource]:
        """Record how a step ended, and return the steps that waited for nothing else."""
        self._end(source, record, is_kept=is_kept)
        ready = []
        for follower in source.followers:
            follower.waits_for.pop(id(source), None)
            if not follower.waits_for:
                ready.append(follower)
        source.followers = []
        return ready

    def _end(self, source: WaitingSource, record: StepRecord, *, is_kept: bool = False) -> None:
        if not is_kept:
            self.services.log.keep(record)
        if self._in_flight.get(record.cache_key) is source:
            del self._in_flight[record.cache_key]
        self.records.append(record)
        self.dispatch.ended[record.name] = record
        self._open.pop(source.name, None)
        source.settle(record)

    def _skipped(self, spec: StepSpec, upstream: str) -> StepRecord:
        record = self._skip_record(spec, f"step {upstream!r} did not complete")
        self.services.reporter.step_ended(spec.name, "skipped", 0.0, record.reason)
        return record

    def _abandoned(self, source: WaitingSource) -> StepRecord:
        spec = source.spec
        assert spec is not None
        if not source.is_submitted:
            return self._skip_record(spec, _NEVER_BEGAN)
        record = self._skip_record(spec, "")
        self.services.reporter.step_ended(spec.name, "killed", 0.0)
        return replace(record, status="killed", error="ended with the run")

    def _skip_record(self, spec: StepSpec, reason: str) -> StepRecord:
        now = time.time()
        return StepRecord(
            id=spec.id, run_id=self.services.run.run_id, name=spec.name, position=spec.position, status="skipped",
            started=now, ended=now, reason=reason, inputs=dict(spec.after),
        )  # fmt: skip
