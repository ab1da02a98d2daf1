"""Which workers there are, which of them have nothing to do, and what is listened to."""

from __future__ import annotations

import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator

from .starting import Starter
from .work import Worker

GRACE = 5.0  # seconds from SIGTERM to SIGKILL, for what work has to clean up
Said = Callable[[Worker, int], None]


class Roster:
    """The workers of one executor, used by its dispatcher's thread only.

    `on_said` is called when a worker's channel can be read or written, `on_printed` when its output can be read,
    `on_nursery` when the nursery has something to say.
    """

    def __init__(
        self,
        slots: int,
        starter: Starter,
        *,
        on_said: Said,
        on_printed: Callable[[Worker], None],
        on_nursery: Callable[[], None],
    ) -> None:
        self._slots = slots
        self._starter = starter
        self._on_said, self._on_printed, self._on_nursery = on_said, on_printed, on_nursery
        self._workers: dict[int, Worker] = {}
        self._idle: list[Worker] = []
        self._nursery: socket.socket | None = None
        self.selector = selectors.DefaultSelector()

    def __iter__(self) -> Iterator[Worker]:
        return iter(list(self._workers.values()))

    def __len__(self) -> int:
        return len(self._workers)

    def __contains__(self, worker: Worker) -> bool:
        return worker.number in self._workers

    def get(self, number: int) -> Worker | None:
        """Return a worker by its number, or None when it is gone."""
        return self._workers.get(number)

    @property
    def has_room(self) -> bool:
        """Tell whether one more may work."""
        return sum(worker.work is not None for worker in self._workers.values()) < self._slots

    @property
    def ready(self) -> list[tuple[int, ...]]:
        """Return the GPUs that idle workers are bound to."""
        return [worker.devices for worker in self._idle]

    def take(self, devices: tuple[int, ...]) -> Worker:
        """Return a worker that sees these GPUs: an idle one, or a new one; raises OSError when none can be started."""
        for worker in reversed(self._idle):  # the last that worked has the most in its caches
            if worker.devices == devices:
                self._idle.remove(worker)
                return worker
        if self._idle and sum(not worker.is_ending for worker in self._workers.values()) >= self._slots:
            self.retire(self._idle[0])
        worker = self._starter.start(devices)
        self._workers[worker.number] = worker
        self.selector.register(worker.output, selectors.EVENT_READ, lambda _: self._on_printed(worker))
        nursery = self._starter.nursery
        if nursery is not None and nursery.channel is not self._nursery:
            self._nursery = nursery.channel
            self.selector.register(nursery.channel, selectors.EVENT_READ, lambda _: self._on_nursery())
        return worker

    def rest(self, worker: Worker) -> None:
        """Take note that a worker has no work now."""
        if worker.is_ending:
            worker.send("stop")
        else:
            self._idle.append(worker)

    def watch(self, worker: Worker) -> None:
        """Listen to a worker, and wait for room in its channel when something is unsent."""
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if worker.has_unsent else 0)
        known = self.selector.get_map().get(worker.channel)
        if known is None:
            self.selector.register(worker.channel, wanted, lambda events: self._on_said(worker, events))
        elif known.events != wanted:
            self.selector.modify(worker.channel, wanted, known.data)

    def stop_hearing(self, end: socket.socket | int) -> None:
        """Listen to one descriptor no more."""
        if end in self.selector.get_map():
            self.selector.unregister(end)

    def lose_nursery(self) -> list[int]:
        """Take note that the nursery has ended; returns the numbers of the workers that came from it."""
        if self._nursery is not None:
            self.stop_hearing(self._nursery)
        return self._starter.lose_nursery()

    def terminate(self, worker: Worker) -> None:
        """Have a worker and what it started end: asked first, killed when they are there after a while."""
        worker.is_ending = True  # whatever it does about it: who knows what state it is in then
        worker.kill_at = time.monotonic() + GRACE
        self._starter.signal(worker, signal.SIGTERM)

    def kill(self, worker: Worker) -> None:
        """End a worker and what it started at once."""
        self._starter.signal(worker, signal.SIGKILL)

    def retire(self, worker: Worker) -> None:
        """Have a worker without work end."""
        if not worker.is_ending:
            worker.is_ending = True
            worker.kill_at = time.monotonic() + GRACE
            worker.send("stop")
        if worker in self._idle:
            self._idle.remove(worker)

    def kill_the_late(self) -> None:
        """Kill who had to be gone by now."""
        now = time.monotonic()
        for worker in self._workers.values():
            if worker.kill_at is not None and worker.kill_at <= now:
                worker.kill_at = None
                self.kill(worker)

    def patience(self) -> float | None:
        """Return for how many seconds there is nothing to do unless somebody says something."""
        times = [worker.kill_at for worker in self._workers.values() if worker.kill_at is not None]
        return max(0.0, min(times) - time.monotonic()) if times else None

    def remove(self, worker: Worker) -> None:
        """Strike out a worker that is gone, or is to be gone."""
        self.stop_hearing(worker.channel)
        self.stop_hearing(worker.output)
        if worker in self._idle:
            self._idle.remove(worker)
        self._workers.pop(worker.number, None)
        self._starter.forget(worker)
        worker.close()

    def close(self) -> None:
        """End everything that is still there."""
        for worker in self:
            self.remove(worker)
        self.selector.close()
        self._starter.close()
