"""Steps one after the other, in the process that was started: nothing is queued, so there is nothing to end."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, ClassVar

from ...stacks.executors import OnEvent, Resources


class SequentialExecutor:
    """Calls what it is given at once."""

    name = "local"
    is_here: ClassVar[bool] = True

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
        """Call the function now; what it raises is raised here, Ctrl-C included."""
        done: Future[Any] = Future()
        done.set_result(fn(*args))
        return done

    def cluster_resources(self) -> Sequence[Mapping[str, float]]:
        """Return what this machine has."""
        return [this_machine()]

    def close(self, *, cancel: bool = False) -> None:
        """Nothing is open."""


def this_machine() -> dict[str, float]:
    """Return the processors that this process may use, and the memory of the machine in bytes."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    return {"CPU": float(cpus), "memory": float(memory)}
