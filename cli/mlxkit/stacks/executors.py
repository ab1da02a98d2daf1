"""What runs steps: one interface for this process, processes of this machine, and a cluster."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from ..errors import MlxError, UsageError
from ..records import Record

# What work says while it goes on: a short word, then plain data that belongs to it.
Event = tuple[Any, ...]
OnEvent = Callable[[Event], None]
LOST = "lost"  # ("lost", reason): the worker died, and the work is given to another


@dataclass(frozen=True)
class Resources(Record):
    """What a step asks for: `cpus` and `gpus` by number, `memory` in bytes, and what else a cluster counts."""

    cpus: float = 1.0
    gpus: float = 0.0
    memory: int | None = None
    custom: Mapping[str, float] = field(default_factory=dict)

    def wants(self) -> dict[str, float]:
        """Return what is asked for, by the names that capacities use: CPU, GPU, memory (bytes), and the custom ones."""
        asked = {"CPU": self.cpus, "GPU": self.gpus, "memory": float(self.memory or 0), **self.custom}
        return {name: amount for name, amount in asked.items() if amount}


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

    `is_here` is one that calls `fn` in this process at once: what it is given need not be pickled.
    """

    name: str
    is_here: ClassVar[bool]

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
        outcome: Future[Any] = Future()
        say = on_event or (lambda _event: None)
        lock, lost = threading.Lock(), [0]

        def begin() -> None:
            inner = self._start(fn, args, resources, label, dict(secrets or {}), say, lost[0])
            inner.add_done_callback(ended)

        def ended(inner: Future[Any]) -> None:
            error = (
                inner.exception() if not inner.cancelled() else CancelledWorkError(f"{label} was cancelled")
            )
            if isinstance(error, WorkerLostError) and not self._closing:
                with lock:
                    lost[0] += 1
                    again = lost[0] <= retries
                if again:
                    say((LOST, error.message))
                    begin()
                    return
            if error is not None:
                outcome.set_exception(error)
            else:
                outcome.set_result(inner.result())

        begin()
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


def refuse_impossible(resources: Resources, nodes: Sequence[Mapping[str, float]], label: str) -> None:
    """Raise UsageError when no node could ever hold what is asked for, naming what there is."""
    wanted = resources.wants()
    if not nodes or any(
        all(node.get(name, 0.0) >= amount for name, amount in wanted.items()) for node in nodes
    ):
        return
    most = {name: max(node.get(name, 0.0) for node in nodes) for name in wanted}
    lacking = [name for name, amount in wanted.items() if most[name] < amount] or list(wanted)
    asked = ", ".join(f"{name}={shown(name, wanted[name])}" for name in lacking)
    has = ", ".join(f"{name}={shown(name, most[name])}" for name in lacking)
    where = "this machine has" if len(nodes) == 1 else f"the largest of {len(nodes)} nodes has"
    raise UsageError(f"{label} needs {asked}; {where} {has}", hint="@step(resources=ResourceSettings(...))")


def shown(name: str, amount: float) -> str:
    """Return an amount as people write it."""
    if name == "memory":
        return f"{amount / 2**30:.3g}GiB"
    return f"{amount:g}"
