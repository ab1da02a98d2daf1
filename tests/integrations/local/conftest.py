"""Executors of worker processes, that leave nothing behind."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mlxkit.integrations.local.workers.executor import WorkersExecutor
from mlxkit.stacks.executors import ExecutorFacts, Resources

pytestmark = pytest.mark.integration

Make = Callable[..., WorkersExecutor]
PATIENCE = 60.0


def facts(**given: Any) -> ExecutorFacts:
    return ExecutorFacts("run-1", "lively-lion", Path.cwd(), paths=tuple(sys.path), **given)


def submit(executor: WorkersExecutor, fn: Callable[..., Any], *args: bytes, **given: Any) -> Any:
    return executor.submit(fn, args, **{"resources": Resources(), "label": fn.__name__, **given})


def wait_for(is_so: Callable[[], Any], what: str = "it") -> Any:
    """Wait until something is so, and return it."""
    deadline = time.monotonic() + PATIENCE
    while not (found := is_so()):
        assert time.monotonic() < deadline, f"{what} did not come in {PATIENCE:g} s"
        time.sleep(0.01)
    return found


def is_running(process: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children() -> set[int]:
    """Return the children of this process, zombies too."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # of a thread that has just ended
            found.update(map(int, (task / "children").read_text().split()))
    return found


def descriptors() -> set[str]:
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # of the listing itself
            found.add(f"{entry.name} {os.readlink(entry)}")
    return found


def _threads() -> list[str]:
    """Return the names of our threads."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("mlx-")]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Make executors, by fork where nothing else is said, and see that nothing of them is left."""
    made: list[WorkersExecutor] = []
    before = children(), descriptors()
    threads = _threads()

    def new(workers: int = 2, gpus: tuple[str, ...] = (), start: str = "fork") -> WorkersExecutor:
        monkeypatch.setenv("MLX_WORKER_START", start)
        made.append(WorkersExecutor(facts(), workers, gpus))
        return made[-1]

    yield new
    for executor in made:
        executor.close(cancel=True)
    # What is there less than before is of others: a loop of another test that was collected meanwhile.
    wait_for(lambda: children() <= before[0] and descriptors() <= before[1], "the end of all that was opened")
    wait_for(lambda: not [name for name in _threads() if name not in threads], "the end of all threads")


@pytest.fixture(params=["fork", "spawn"])
def executor(make: Make, request: pytest.FixtureRequest) -> WorkersExecutor:
    """Two workers, started each way."""
    return make(2, start=request.param)
