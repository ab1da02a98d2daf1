"""Workers that are forked: what is imported already need not be imported again."""

from __future__ import annotations

import os
import pickle
import socket
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress

from .nursery import be_the_nursery

_STUB = "mlxkit.pipelines.stub"
_DEEP = 16 << 20  # bytes of stack for work: what a thread gets otherwise depends on the system's limits


class ForkedWorkers:
    """The driver's side of the nursery; `number` is the driver's own of a worker."""

    def __init__(self, forget: Callable[[], None]) -> None:
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._process = _forked(theirs, forget)
        theirs.close()

    def start(self, number: int, environment: Mapping[str, str], channel: int, output: int) -> None:
        """Have a worker forked that has these two descriptors, and the environment of the driver with these changes."""
        request = pickle.dumps(("start", number, dict(environment)))
        socket.send_fds(self.channel, [request], [channel, output])

    def signal(self, number: int, what: int) -> None:
        """Send a signal to a worker and what it started; nothing happens when it is gone."""
        self.channel.send(pickle.dumps(("signal", number, int(what))))

    def ended(self) -> tuple[int, int] | None:
        """Return the next worker that ended and its exit status, negative for a signal; None when the nursery ended."""
        try:
            told = self.channel.recv(1024)
        except ConnectionError:
            told = b""
        return pickle.loads(told) if told else None  # noqa: S301 - from a process of ours

    def close(self) -> None:
        """End the nursery, and with it all that is left."""
        self.channel.close()
        with suppress(ChildProcessError):  # where somebody waits for every child of this process
            os.waitpid(self._process, 0)


def _forked(theirs: socket.socket, forget: Callable[[], None]) -> int:
    """Fork from a thread that never ran anything: OpenMP's threads belong to the one that made them.

    A child that was forked by a thread with such a pool waits for its members, which it does not have.
    """
    driver, processes, problems = os.getpid(), list[int](), list[OSError]()

    def fork() -> None:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):  # closed, or none
                stream.flush()
        try:
            # Python 3.12 and later warn of threads: the caller saw to it that they wait.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                process = os.fork()
        except OSError as error:
            problems.append(error)
            return
        if process == 0:
            be_the_nursery(theirs, driver, forget)
        processes.append(process)

    before = threading.stack_size(_DEEP)
    try:
        thread = threading.Thread(target=fork, name="mlx-fork", daemon=True)
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    for problem in problems:
        raise problem
    return processes[0]


def forget_driver(root: str) -> None:
    """Have a process that was forked forget the user's own modules: they come with the work."""
    forget = getattr(
        sys.modules.get(_STUB), "forget_driver", None
    )  # who submits its functions has imported it
    if forget is not None:
        forget(root)
