"""How workers come to be: forked from the nursery where there is one, else started cold."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from .fork_safety import may_fork, others_stand_still
from .forked import ForkedWorkers, forget_driver
from .spawned import SpawnedWorkers
from .work import Worker

_LOOKS = 3  # at threads that do not stand still, until workers are started cold for good


class Starter:
    """Starts workers, and sends signals to them."""

    def __init__(
        self, root: str, paths: Sequence[str], gpus: Sequence[str], on_end: Callable[[int, int], None]
    ) -> None:
        self._root = root
        self._paths = list(paths)
        self._gpus = list(gpus)
        self._creator = threading.get_ident()
        self._of: dict[int, ForkedWorkers | SpawnedWorkers] = {}
        self._started = self._looks = 0
        self.spawned = SpawnedWorkers(on_end)
        self.nursery: ForkedWorkers | None = None

    def prepare(self) -> None:
        """Make the nursery if this is a moment for it: who runs the pipeline waits in `submit`."""
        if self.nursery is None and self._looks < _LOOKS and may_fork(self._creator):
            while not others_stand_still(self._creator):
                self._looks += 1
                if self._looks == _LOOKS:
                    return
            with suppress(OSError):  # no room for a copy of this process: a cold start takes less
                self.nursery = ForkedWorkers(partial(forget_driver, self._root))

    def start(self, devices: tuple[int, ...]) -> Worker:
        """Start a worker that sees these GPUs only; raises OSError when no process can be started."""
        self._started = number = self._started + 1
        ours, theirs = socket.socketpair()
        printed, output = os.pipe()
        environment = {}
        if self._gpus:
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(self._gpus[device] for device in devices)
        by: ForkedWorkers | SpawnedWorkers = self.nursery or self.spawned
        try:
            try:
                by.start(number, environment, theirs.fileno(), output)
            except OSError:
                if by is self.spawned:
                    raise
                by = self.spawned  # the nursery has just ended
                by.start(number, environment, theirs.fileno(), output)
        except BaseException:
            ours.close()
            os.close(printed)
            raise
        finally:
            theirs.close()
            os.close(output)
        self._of[number] = by
        worker = Worker(number, devices, ours, printed)
        if by is self.spawned:
            worker.send("hello", self._paths)
        return worker

    def signal(self, worker: Worker, what: int) -> None:
        """Send a signal to a worker and to what it started."""
        by = self._of.get(worker.number)
        if by is not None:
            with suppress(OSError):  # the nursery is gone, and with it the worker
                by.signal(worker.number, what)

    def forget(self, worker: Worker) -> None:
        """Take note that a worker is gone."""
        self._of.pop(worker.number, None)

    def lose_nursery(self) -> list[int]:
        """Take note that the nursery is gone; returns the numbers of the workers that came from it."""
        orphans = [number for number, by in self._of.items() if by is self.nursery]
        if self.nursery is not None:
            self.nursery.close()
            self.nursery = None
        return orphans

    def close(self) -> None:
        """End the nursery and whatever still runs."""
        self.lose_nursery()
        self.spawned.close()
