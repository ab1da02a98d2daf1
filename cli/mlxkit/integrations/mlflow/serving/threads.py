"""Threads in which predictions are made, and the shortest way there and back.

An executor of asyncio wakes a thread for every call; several quick ones then fight over the interpreter, which takes
longer than a small model does. Here one thread, the leader, makes one prediction after the other. When one takes longer
than a moment, another thread becomes the leader and takes what waits. All that is decided in the loop, without a lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import field
from queue import Empty, SimpleQueue

from ....dataclass import dataclass
from .scoring import Answer

_MOMENT = 0.001  # seconds
Work = Callable[[bytes, "str | None"], Answer]
Task = tuple["asyncio.Future[Answer | None]", bytes, "str | None"]


@dataclass(eq=False)
class _Thread:
    """One thread, what it is to do, and how much of that is not done yet."""

    queue: SimpleQueue[Task] = field(default_factory=SimpleQueue)
    open: int = 0
    began: float = 0.0  # when the task that it is at began


class Threads:
    """As many threads as are needed, for one event loop and up to a limit."""

    def __init__(self, limit: int, work: Work) -> None:
        self._limit, self._work = limit, work
        self._threads: list[_Thread] = []
        self._done: deque[tuple[_Thread, asyncio.Future[Answer | None], Answer | None]] = deque()
        self._is_told = self._is_looking = False
        self._lost = 0  # given up, and not done yet

    @property
    def are_stuck(self) -> bool:
        """Say whether every thread is held by what was given up, so that nobody else gets a turn."""
        return self._lost >= self._limit

    async def run(self, body: bytes, content_type: str | None, within: float) -> Answer | None:
        """Return the answer to a request, or None when it takes longer than so many seconds."""
        self._loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer | None] = self._loop.create_future()
        leader = self._threads[0] if self._threads else self._start()
        leader.open += 1
        leader.queue.put((future, body, content_type))
        if leader.open > 1 and not self._is_looking:
            self._is_looking = True
            self._loop.call_later(_MOMENT, self._look)
        clock = self._loop.call_later(within, self._give_up, future)
        try:
            return await future
        finally:
            clock.cancel()

    def _start(self) -> _Thread:
        thread = _Thread()
        self._threads.insert(0, thread)
        name = f"predict-{len(self._threads)}"
        threading.Thread(target=self._attend, args=(thread,), name=name, daemon=True).start()
        return thread

    def _look(self) -> None:
        """Make another thread the leader when this one is at a task for long and others wait behind it."""
        leader = self._threads[0]
        self._is_looking = leader.open > 1
        if not self._is_looking:
            return
        self._loop.call_later(_MOMENT, self._look)
        if time.perf_counter() - leader.began < _MOMENT:
            return
        free = next((thread for thread in self._threads if not thread.open), None)
        if free is not None:
            self._threads.remove(free)
            self._threads.insert(0, free)
        elif len(self._threads) < self._limit:
            free = self._start()
        else:
            return
        with contextlib.suppress(Empty):
            while True:
                task = leader.queue.get_nowait()
                leader.open -= 1
                free.open += 1
                free.queue.put(task)

    def _attend(self, thread: _Thread) -> None:
        while True:
            future, body, content_type = thread.queue.get()
            thread.began = time.perf_counter()
            answer = None if future.done() else self._work(body, content_type)
            self._done.append((thread, future, answer))
            del future, body, answer  # a body may be large, and the next request far away
            if not self._is_told:
                self._is_told = True
                with contextlib.suppress(RuntimeError):  # the loop has ended
                    self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        self._is_told = False  # first: what is done from here on is told again
        while self._done:
            thread, future, answer = self._done.popleft()
            thread.open -= 1
            if not future.done():
                future.set_result(answer)
            elif not future.cancelled():
                self._lost -= 1

    def _give_up(self, future: asyncio.Future[Answer | None]) -> None:
        if not future.done():
            self._lost += 1
            future.set_result(None)
