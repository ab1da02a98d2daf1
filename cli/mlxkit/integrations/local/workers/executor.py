"""The executor of `--workers`: steps in processes of this machine, several at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, ClassVar

from ....stacks.executors import ExecutorFacts, LostWorkRetried, OnEvent, Resources, refuse_impossible
from ..machine import this_machine
from .budget import Budget
from .dispatcher import Dispatcher
from .starting import Starter
from .work import Work


class WorkersExecutor(LostWorkRetried):
    """Runs work in at most `workers` processes; what they ask for together is never more than the machine has.

    More workers than processors are believed: each counts as having one. `gpus` are the names that
    CUDA_VISIBLE_DEVICES takes.
    """

    name = "workers"
    is_here: ClassVar[bool] = False

    def __init__(self, facts: ExecutorFacts, workers: int, gpus: Sequence[str] = ()) -> None:
        machine = this_machine()
        self._has = {"CPU": max(float(workers), machine["CPU"]), "memory": machine["memory"]}
        if gpus:
            self._has["GPU"] = float(len(gpus))
        budget = Budget(self._has["CPU"], self._has["memory"] or float("inf"), len(gpus))
        self._dispatcher = Dispatcher(
            workers, budget, lambda on_end: Starter(str(facts.root), facts.paths, gpus, on_end)
        )

    def cluster_resources(self) -> Sequence[Mapping[str, float]]:
        """Return what this machine has."""
        return [self._has]

    def close(self, *, cancel: bool = False) -> None:
        """End the workers, after their work or at once: SIGTERM, and SIGKILL for who is there seconds later."""
        self._closing = cancel
        self._dispatcher.close(cancel=cancel)

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
        refuse_impossible(resources, [self._has], label)
        target = f"{fn.__module__}:{fn.__qualname__}"
        work = Work(target, tuple(args), resources, label, secrets, on_event, lost)
        self._dispatcher.submit(work)
        return work.future
