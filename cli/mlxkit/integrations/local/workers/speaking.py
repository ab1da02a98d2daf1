"""What work says, on its way out of a worker: in batches, in order, and all of it before the result."""

from __future__ import annotations

import os
import socket
import threading
import time
from _thread import allocate_lock
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from itertools import groupby
from typing import Any

from ....stacks.executors import Event
from .channel import framed

_PAUSE = 0.05  # seconds that the first of a batch waits for others
_ENOUGH = 64 * 1024  # characters of output that do not wait
_URGENT = ("tracker_run", "secret")  # the driver has to know them before work goes on
_TOO_MUCH = 4 * 1024 * 1024  # characters of output that work may be ahead of the driver
_EACH = 128  # characters that a piece counts for beside its own: `print` says each word and each space alone

Tagged = tuple[int, Event, int | None]


class Voice:
    """Sends what work says.

    A handler of a signal may raise in the main thread between any two instructions. So that no message is cut in
    two, the main thread only appends while it works, in single steps, and a thread, which handlers never run in,
    sends. The result is sent by the main thread, after work, when handlers are as they were.
    """

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._pid = os.getpid()
        self._sending = threading.Lock()
        self._unsaid: deque[Tagged] = deque()
        self._size = 0
        self._something, self._at_once = allocate_lock(), allocate_lock()
        self._something.acquire()
        self._at_once.acquire()
        self._asked: dict[int, Any] = {}
        self._asks = 0
        threading.Thread(target=self._send_batches, name="mlx-voice", daemon=True).start()

    def say(self, number: int, event: Event) -> None:
        """Say one thing about a piece of work; returns after the driver heard it when it is urgent."""
        if os.getpid() != self._pid:  # a child that the work forked: its output goes where that of C goes
            if event[0] == "output":
                os.write(1, event[1].encode(errors="replace"))
            return
        if event[0] in _URGENT:
            heard = allocate_lock()
            heard.acquire()
            self._asks = ask = self._asks + 1
            self._asked[ask] = heard
            self._add((number, event, ask), at_once=True)
            heard.acquire()
            return
        self._size += _EACH + len(event[1]) if event[0] == "output" else 0
        self._add((number, event, None), at_once=self._size > _ENOUGH)
        while self._size > _TOO_MUCH:
            time.sleep(0.002)

    def heard(self, ask: int) -> None:
        """Let go on who waits for the driver to have heard something."""
        waiting = self._asked.pop(ask, None)
        if waiting is not None:
            waiting.release()

    def finish(self, result: bytes) -> None:
        """Send what is unsaid, and the result behind it."""
        with self._sending:
            self._channel.sendall(self._batch() + result)

    def _add(self, said: Tagged, *, at_once: bool) -> None:
        self._unsaid.append(said)
        for lock in (self._something, self._at_once) if at_once else (self._something,):
            with suppress(RuntimeError):  # it is released already
                lock.release()

    def _send_batches(self) -> None:
        while True:
            self._something.acquire()
            self._at_once.acquire(timeout=_PAUSE)
            with self._sending:
                batch = self._batch()
                if batch:
                    self._channel.sendall(batch)

    def _batch(self) -> bytes:
        """Return all that is unsaid as it goes over the wire: a message for each run of events of the same work."""
        sent, events, of = b"", list[Event](), 0
        while self._unsaid:
            number, event, ask = self._unsaid.popleft()
            if number != of and events:
                sent += framed("said", of, _joined(events), None)
                events = []
            of = number
            events.append(event)
            if ask is not None:
                sent += framed("said", of, _joined(events), ask)
                events = []
        self._size = 0
        return sent + framed("said", of, _joined(events), None) if events else sent


def _joined(events: Sequence[Event]) -> list[Event]:
    """Return events with pieces of output that follow each other as one: the driver writes each to the step's log."""
    joined: list[Event] = []
    for kind, alike in groupby(events, key=lambda event: event[0]):
        said = list(alike)
        joined += [("output", "".join(event[1] for event in said))] if kind == "output" else said
    return joined
