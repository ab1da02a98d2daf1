"""The running pipeline body: every step call in it becomes a step of the run."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar

from ..errors import StepFailedError, UsageError, did_you_mean
from ..runs.ancestry import AFTER
from ..runs.records import OutputRecord, StepRecord
from ..stacks.resources import Resources
from .context import current_step
from .decorators import Step
from .execute import execute_step
from .handles import Handle, Source
from .inputs import bind_call, handles_in, load_output
from .parameters import override_arguments
from .plan import StepPlan
from .resources import resources_of
from .services import RunServices, StepSpec
from .settings import tracker_settings

_running: list[Body] = []
current_body: ContextVar[Body | None] = ContextVar("mlx_body", default=None)


def running_body() -> Body | None:
    """Return the pipeline body that this code runs in; None inside a step and outside of pipelines."""
    if current_step.get() is not None:
        return None
    body = current_body.get()
    if body is None and any(
        other.thread != threading.get_ident() and not other.is_executing for other in _running
    ):
        # A new thread does not inherit the context; running the step as a plain function would lose it silently.
        raise UsageError(
            "a step was called in a thread of the pipeline body; call steps in the body itself",
            hint="for item in items: step(item)",
        )
    return body


@contextmanager
def running(body: Body) -> Iterator[None]:
    """Make a body the one that step calls in this thread belong to."""
    token = current_body.set(body)
    _running.append(body)
    try:
        yield
    finally:
        _running.remove(body)
        current_body.reset(token)


class StepSource:
    """One executed step, as its handles see it."""

    def __init__(self, record: StepRecord, body: Body, declared: Mapping[str, Any]) -> None:
        self.name = record.name
        self._record = record
        self._body = body
        self._declared = declared

    @property
    def is_settled(self) -> bool:
        """Whether the step has ended."""
        return True

    @property
    def status(self) -> str:
        """How the step ended; waits for that."""
        return self.ended().status

    def ended(self) -> StepRecord:
        """Return the step's record; waits for it."""
        return self._record

    def record(self, output: str) -> OutputRecord:
        """Return the artifact of an output; raises StepFailedError when the step has none."""
        record = self.ended()
        for item in record.outputs:
            if item.name == output:
                return item
        raise StepFailedError(f"step {self.name!r} has no output: it {_became(record)}")

    def load(self, output: str) -> Any:
        """Return a fresh copy of an output's value."""
        return load_output(self.record(output), self._body.services.store, self._declared.get(output))


class Body:
    """Collects and executes the step calls of one run, in order, in this process."""

    is_dry: ClassVar[bool] = False

    def __init__(self, services: RunServices, plan: StepPlan, records: list[StepRecord]) -> None:
        self.services = services
        self.plan = plan
        self.records = records
        self.thread = threading.get_ident()
        self.is_executing = False
        self.sources: dict[str, StepSource] = {}
        self._names: dict[str, int] = {}

    def call_step(self, step: Step[Any, Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Execute one step call and return its handle, or a tuple of them."""
        name, given, after, handles = self._sorted(step, args, step.with_parameters(args, kwargs))
        broken = [
            item._mlx_source for item in handles if item._mlx_source.status not in ("completed", "cached")
        ]
        if broken:
            record = self._skip(name, broken[0].name, handles)
        else:
            spec = self._spec(step, name, args, given, after)
            self.is_executing = True
            try:
                record = self.services.executor.submit(
                    execute_step, (spec, self.services), resources=spec.resources or Resources(), label=name
                ).result()
            finally:
                self.is_executing = False
        self.records.append(record)
        source = StepSource(record, self, {output.name: output.type for output in step.outputs})
        self.sources[name] = source
        return handles_of(source, step)

    def next_position(self) -> int:
        """Return the position of the step that is called next."""
        return len(self.records)

    def finish(self) -> None:
        """Nothing is left to wait for."""

    def leave(self, error: BaseException) -> None:
        """Nothing runs beside the body."""

    def _sorted(
        self, step: Step[Any, Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[str, dict[str, Any], list[Handle], list[Handle]]:
        """Take `id` and `after` out of a step call, unless the step has parameters of these names."""
        given = dict(kwargs)
        own = step.function_parameters
        wanted = given.pop("id", None) if "id" not in own else None
        after = given.pop("after", ()) if "after" not in own else ()
        others = [
            self._called(step, item) if isinstance(item, str) else item
            for item in (after if isinstance(after, (list, tuple)) else [after])
        ]
        others = handles_in(others)
        return (
            self._name_of(step, wanted),
            given,
            others,
            [*handles_in([*args, *given.values()]), *others],
        )

    def _called(self, step: Step[Any, Any], name: str) -> Handle:
        """Return a step of this run that `after` gives by its name, as its outputs would."""
        if name not in self.sources:
            near = did_you_mean(name, self.sources)
            raise UsageError(f"step {step.name!r}: after={name!r}: no step was called so before it{near}")
        return Handle(self.sources[name], "")

    def _name_of(self, step: Step[Any, Any], wanted: Any) -> str:
        name = str(wanted) if wanted is not None else step.name
        count = self._names[name] = self._names.get(name, 0) + 1
        if count > 1 and wanted is not None:
            raise UsageError(f"two steps are called with id={name!r}")
        name = name if count == 1 else f"{name}_{count}"
        self.plan.saw(name, step.name)
        return name

    def _spec(
        self,
        step: Step[Any, Any],
        name: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        after: Sequence[Handle] = (),
    ) -> StepSpec:
        options = self.plan.options_for(name, step.name)
        args, kwargs = override_arguments(
            step.function, args, kwargs, options.parameters, owner=f"step {name!r}"
        )
        arguments = bind_call(name, step.function, args, kwargs, self.services.store, is_dry=self.is_dry)
        tracker, flavor = self.plan.tracker_for(step)
        return StepSpec(
            id=new_id(), name=name, position=self.next_position(), function=step.function,
            outputs=step.outputs, arguments=arguments, retries=step.retries_or(self.plan.defaults.retries),
            materializers=step.output_materializers, model=step.model,
            use_cache=self.plan.uses_cache(step, options.enable_cache), cache_salt=step.cache_salt, tracker=tracker,
            is_tracked=self.plan.is_tracked(step), after=_waited_for(after), on_success=step.on_success or self.plan.defaults.on_success,
            on_failure=step.on_failure or self.plan.defaults.on_failure,
            resources=resources_of(f"step {name!r}", step.resources, self.plan.settings, step.settings, options.settings),
            settings=tracker_settings(flavor, self.plan.settings, step.settings, options.settings) if tracker else {},
        )  # fmt: skip

    def _skip(self, name: str, upstream: str, handles: Sequence[Handle]) -> StepRecord:
        now = time.time()
        record = StepRecord(
            id=new_id(), run_id=self.services.run.run_id, name=name, position=len(self.records), status="skipped",
            started=now, ended=now, reason=f"step {upstream!r} did not complete", inputs=_waited_for(handles),
        )  # fmt: skip
        self.services.log.keep(record)
        self.services.reporter.step_ended(name, "skipped", 0.0, record.reason)
        return record


def handles_of(source: Source, step: Step[Any, Any]) -> Any:
    """Return what a step call returns: the handle of its output, or a tuple of them."""
    made = tuple(Handle(source, output.name) for output in step.outputs)
    return made if len(made) > 1 else made[0]


def new_id() -> str:
    """Return an id that sorts by time: 9 characters of milliseconds, 7 of chance, in base 32."""
    return _base32(int(time.time() * 1000), 9) + _base32(secrets.randbits(35), 7)


def _base32(number: int, width: int) -> str:
    digits = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's alphabet: no i, l, o, u to misread
    return "".join(digits[(number >> (5 * index)) & 31] for index in reversed(range(width)))


def _waited_for(handles: Sequence[Handle]) -> dict[str, Any]:
    """Return, as a step records its inputs, the steps that it got nothing from and yet had to wait for."""
    names = dict.fromkeys(item._mlx_source.name for item in handles)
    return {AFTER: [{"from": name, "step": name} for name in names]} if names else {}


def _became(record: StepRecord) -> str:
    if record.status == "failed":
        return "failed"
    return f"did not run ({record.reason})" if record.reason else "did not run"
