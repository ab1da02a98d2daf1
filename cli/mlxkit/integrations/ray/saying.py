"""What work says, on the worker: with its result when it is short, through the run's channel when it goes on."""

from __future__ import annotations

import pickle
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from ...stacks.executors import Event
from .captured import captured

_PACE = 0.1  # seconds between two calls to the channel
_SOON = 64 * 1024  # characters of output that do not wait for that
_URGENT = ("tracker_run", "secret")  # the driver has to know them before work goes on
_CHANNEL_TAKES = 15.0  # seconds for the channel to be there, and to take something
_Said = tuple[int, int, Event]  # number of the work, how many it said before, the event


class Saying:
    """Collects what the work of one Ray task says, and sends it in order."""

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self._waiting: list[_Said] = []
        self._count: dict[int, int] = defaultdict(int)
        self._sent: dict[int, int] = defaultdict(int)
        self._size = 0
        self._lock, self._sending = threading.Lock(), threading.Lock()

    def of(self, number: int) -> Callable[[Event], None]:
        """Return the `notify` of one piece of work."""

        def notify(event: Event) -> None:
            urgent = event[0] in _URGENT
            with self._lock:
                self._add(number, event)
                soon = self._size >= _SOON
            if urgent:
                self._send_now()
            elif soon:
                _flusher.wake()

        return notify

    def rest(self, number: int) -> tuple[int, list[Event]]:
        """Return how much of what a piece of work said has been sent, and what goes with its result."""
        with self._sending, self._lock:  # nothing is on its way now
            mine = [event for of, _, event in self._waiting if of == number]
            self._waiting = [said for said in self._waiting if said[0] != number]
            return self._sent[number], mine

    def send(self, *, urgent: bool = False) -> bool:
        """Send what waits; False when the channel is not there, and then it still waits."""
        with self._sending:
            with self._lock:
                batch, self._waiting, self._size = self._waiting, [], 0
            if not batch:
                return True
            if _put(self.channel, pickle.dumps(batch), urgent):
                with self._lock:
                    for number, index, _ in batch:
                        self._sent[number] = index + 1
                return True
            with self._lock:
                self._waiting[:0] = batch
            return False

    def _send_now(self) -> None:
        until = time.monotonic() + _CHANNEL_TAKES
        while not self.send(urgent=True) and time.monotonic() < until:
            time.sleep(_PACE / 2)

    def _add(self, number: int, event: Event) -> None:
        last = self._waiting[-1] if self._waiting else None
        if event[0] == "output":
            self._size += len(event[1])
            if last is not None and last[0] == number and last[2][0] == "output":
                self._waiting[-1] = (number, last[1], ("output", last[2][1] + event[1], *event[2:]))
                return
        self._waiting.append((number, self._count[number], event))
        self._count[number] += 1


class _Flusher:
    """One thread for each worker process: sends while work goes on, sleeps while there is none."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._now: Saying | None = None
        self._begun, self._soon = threading.Event(), threading.Event()

    def begin(self, saying: Saying) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, daemon=True, name="mlx-saying")
            self._thread.start()
        self._now = saying
        self._begun.set()

    def end(self) -> None:
        self._now = None
        self._begun.clear()

    def wake(self) -> None:
        self._soon.set()

    def _run(self) -> None:
        while True:
            self._begun.wait()
            self._soon.wait(_PACE)
            self._soon.clear()
            saying = self._now
            captured.drain()
            if saying is not None and not saying.send():
                time.sleep(_PACE)


_flusher = _Flusher()
begin, end = _flusher.begin, _flusher.end
_found: dict[str, Any] = {}


def _put(channel: str, batch: bytes, urgent: bool) -> bool:
    """Hand a batch to the channel and wait until it has it, without giving up this worker's processor meanwhile."""
    import ray

    try:
        if channel not in _found:
            _found.clear()
            _found[channel] = ray.get_actor(channel)
        _found[channel].put.remote(batch, urgent).future().result(_CHANNEL_TAKES + 10.0)
    except Exception:  # there is no channel yet, or no more: the result takes along what was not sent
        _found.pop(channel, None)
        return False
    return True
