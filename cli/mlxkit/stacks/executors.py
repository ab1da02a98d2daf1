"""What runs steps: one interface for this process, processes of this machine, and a cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from ..dataclass import dataclass
from ..errors import MlxError
from .resources import Resources, refuse_impossible

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = [
    "CancelledWorkError",
    "Event",
    "Executor",
    "ExecutorFacts",
    "LostWorkRetried",
    "OnEvent",
    "Resources",
    "WorkerLostError",
    "refuse_impossible",
]

# What work says while it goes on: a short word, then plain data that belongs to it.
Event = tuple[Any, ...]
OnEvent = Callable[[Event], None]
LOST = "lost"  # ("lost", reason): the worker died, and the work is given to another


class WorkerLostError(MlxError):
    """The process or node that did a piece of work is gone; nobody knows how far it came."""


class CancelledWorkError(MlxError):
    """A piece of work was cancelled before it came to its end."""


@dataclass(frozen=True)
class ExecutorFacts:
    """What an executor is started with: the run, the folder of its project, how many workers were asked for.

    `paths` is the import path of the driver. `say` takes a line for people.
    """

    run_id: str
    run_name: str
    root: Path
    workers: str | None = None
    paths: Sequence[str] = ()
    file: Path | None = None
    say: Callable[[str], None] = print


class Executor(Protocol):
    """Runs work elsewhere, or here.

    `is_here` is one that calls `fn` in this process at once: what it is given need not be pickled. `losses` is how often
    work is given to another worker beside what its step allows: where workers come and go, a loss is nobody's fault.
    """

    name: str
    is_here: ClassVar[bool]
    losses: int

    def submit(
        self,
        fn: Callable[..., Any],
        args: Sequence[Any],
        *,
        resources: Resources,
        retries: int = 0,
        label: str = "",
        secrets: Mapping[str, str] | None = None,
        on_event: OnEvent | None = None,
    ) -> Future[Any]:
        """Have `fn(*args, secrets=..., notify=..., lost=...)` called once there is room for it, and return its future.

        `fn` is a function of this package, so that every worker can import it; `args` are picklable (bytes, mostly).
        `secrets` are for that one call, and are written nowhere. `on_event` is called with what the work says, from
        a thread of the executor. `lost` counts the workers that died over this work before: up to `retries` times it
        is given to another one, and ("lost", reason) is said each time; then the future raises WorkerLostError.
        """

    def cluster_resources(self) -> Sequence[Mapping[str, float]]:
        """Return what each node has in all: CPU, GPU, memory (bytes) and custom resources."""

    def close(self, *, cancel: bool = False) -> None:
        """End the workers: after what they do, or with `cancel` at once; nothing is left running afterwards."""


class LostWorkRetried:
    """Gives work whose worker died to another one; executors implement `_start`."""

    losses = 0
    _closing = False

    def submit(
        self,
        fn: Callable[..., Any],
        args: Sequence[Any],
        *,
        resources: Resources,
        retries: int = 0,
        label: str = "",
        secrets: Mapping[str, str] | None = None,
        on_event: OnEvent | None = None,
    ) -> Future[Any]:
        """Start work, and start it again on another worker as often as it may be."""
        say = on_event or (lambda _event: None)
        start = partial(self._start, fn, args, resources, label, dict(secrets or {}), say)
        attempts = _Attempts(start, say, retries, label, lambda: not self._closing)
        attempts.begin()
        outcome: Future[Any] = attempts.outcome
        return outcome

    def _start(
        self,
        fn: Callable[..., Any],
        args: Sequence[Any],
        resources: Resources,
        label: str,
        secrets: Mapping[str, str],
        on_event: OnEvent,
        lost: int,
    ) -> Future[Any]:
        raise NotImplementedError


class _Attempts:
    """One piece of work, as often as it is started; its parts do not hold each other once it is over."""

    def __init__(
        self,
        start: Callable[[int], Future[Any]],
        say: OnEvent,
        retries: int,
        label: str,
        may_retry: Callable[[], bool],
    ) -> None:
        self.outcome: Any = _stoppable()()
        self._start, self._say, self._retries, self._label = start, say, retries, label
        self._may_retry = may_retry
        self._lost = 0

    def begin(self) -> None:
        """Start the work on a worker."""
        inner = self._start(self._lost)
        self.outcome.inner = inner
        if self.outcome.is_stopped:  # while it was between two workers
            inner.cancel()
        inner.add_done_callback(self._ended)

    def _ended(self, inner: Future[Any]) -> None:
        self.outcome.inner = None
        error = (
            inner.exception() if not inner.cancelled() else CancelledWorkError(f"{self._label} was cancelled")
        )
        if isinstance(error, WorkerLostError) and self._may_retry() and not self.outcome.is_stopped:
            self._lost += 1
            if self._lost <= self._retries:
                try:
                    self._say((LOST, error.message))
                    self.begin()
                    return
                except Exception as problem:  # who waits for the outcome is told
                    error = problem
        if error is not None:
            self.outcome.set_exception(error)
        else:
            self.outcome.set_result(inner.result())


@cache
def _stoppable() -> type[Any]:
    from concurrent.futures import Future  # 5 ms, with logging

    class Stoppable(Future[Any]):
        """Has the work itself stopped when it is cancelled; what comes of it, or CancelledWorkError, is the outcome."""

        inner: Future[Any] | None = None
        is_stopped = False

        def cancel(self) -> bool:
            if self.done():
                return False
            self.is_stopped = True
            inner = self.inner
            if inner is not None:
                inner.cancel()
            return True

    return Stoppable
