"""A driver as a process of its own: `python -m tests.integrations.local.driver SCENE ARGUMENT...`; prints JSON lines."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

from mlxkit.config.locks import file_lock
from mlxkit.integrations.local.workers import fork_safety
from mlxkit.integrations.local.workers.executor import WorkersExecutor
from mlxkit.stacks.executors import Event, ExecutorFacts, Resources
from tests.integrations.local import work


def say(*what: Any) -> None:
    print(json.dumps(what), flush=True)


def new(workers: int = 2) -> WorkersExecutor:
    return WorkersExecutor(ExecutorFacts("r", "n", Path.cwd(), paths=tuple(sys.path)), workers)


def submit(executor: WorkersExecutor, fn: Any, *args: bytes, **given: Any) -> Any:
    return executor.submit(fn, args, **{"resources": Resources(), "label": fn.__name__, **given})


def stays(file: str) -> None:
    """Two pieces of work go on, with children, until something happens to this process."""
    executor = new()
    ready: list[Event] = []
    first = submit(executor, work.leave_children_and_stay, file.encode(), on_event=ready.append)
    submit(executor, work.clean_up, f"{file}.cleaned".encode(), on_event=ready.append)
    while len(ready) < 2:
        time.sleep(0.01)
    pids = [submit(executor, work.pid) for _ in range(2)]  # wait in line for ever
    try:
        say("ready")  # whoever reads it sends a signal at once
        first.result()
    except KeyboardInterrupt:
        executor.close(cancel=True)
        say("closed", sum(future.done() for future in pids))
        sys.exit(130)


def interrupted_twice() -> None:
    executor = new()
    events: list[Event] = []
    future = submit(executor, work.stubborn, b"300", on_event=events.append)
    while not events:
        time.sleep(0.01)
    try:
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        executor.close(cancel=True)
    except KeyboardInterrupt:
        say("interrupted", future.done(), type(future.exception()).__name__)


def openmp(library: str) -> None:
    """Use OpenMP here first, so that its threads belong to the main thread."""
    here = ctypes.CDLL(library).sum_to(100_000)
    executor = new()
    say([here, *(submit(executor, work.openmp, library.encode()).result(30) for _ in range(4))])
    executor.close()


def holds(folder: str) -> None:
    """Start workers while a lock is held and connections are open."""
    lock = Path(folder) / "lock"
    ours, theirs = socket.socketpair()
    reading, writing = os.pipe()
    shared = open(Path(folder) / "read", "w+")  # noqa: SIM115
    executor = new(1)
    with file_lock(lock):
        submit(executor, work.lock_held, b"").result(30)
    with file_lock(lock, timeout=1):  # nobody else holds it now
        pass
    theirs.close()
    os.close(writing)
    say(ours.recv(1) == b"", os.read(reading, 1) == b"")  # both ends were here only
    shared.close()
    executor.close()


def around() -> None:
    """Start workers from a process with handlers, blocked signals, unflushed output and a half-read stdin."""
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    sys.stdout.write('["once"]\n')
    executor = new(1)
    found = submit(executor, work.where_it_is).result(30)
    found["theirs"] = [os.getpgid(0), os.getsid(0)]
    found["path"] = found["path"] == sys.path
    found["warm"] = "mlxkit.config.locks" in found.pop("modules")
    say(found)
    executor.close()


def secret(value: str) -> None:
    """Give a secret to work, and look where it can be seen."""
    executor = new(1)
    value = Path(value).read_text()
    found = submit(executor, work.secret_places, secrets={"token": value}).result(30)
    say(found)
    executor.close()


def elsewhere() -> None:
    """Submit from a thread while the main thread is in the user's own code: no moment for a copy."""
    executor = new(1)
    done: list[Any] = []
    thread = threading.Thread(target=lambda: done.append(submit(executor, work.where_it_is).result(30)))
    thread.start()
    while not done:
        sum(range(1000))
    say("mlxkit.config.locks" in done[0]["modules"])
    executor.close()


def beside() -> None:
    """Start a worker while another thread of the user's runs."""

    def run() -> None:
        while True:
            sum(range(1000))

    threading.Thread(target=run, daemon=True).start()
    fork_safety._MOMENT = 0.2  # in which it has its turn on the busiest machine
    executor = new(1)
    say("mlxkit.config.locks" in submit(executor, work.where_it_is).result(60)["modules"])
    executor.close()


def ends_without_close() -> None:
    executor = new(1)
    events: list[Event] = []
    submit(executor, work.seconds, b"60", on_event=events.append)
    while ("started",) not in events:
        time.sleep(0.01)
    say(events[0][1])


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
