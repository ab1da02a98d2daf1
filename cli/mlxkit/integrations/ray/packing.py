"""How many pieces of work go into one Ray task: one, until they are known to be shorter than what a task costs."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import field
from typing import Any

from ...dataclass import dataclass
from ...stacks.executors import Event, OnEvent, Resources

_SHORT = 0.025  # seconds: longer pieces go one by one
_TASK = 0.05  # seconds that one task is filled with
_MOST = 50  # pieces: one worker that dies has that many done again
_AHEAD = 2  # tasks for each place, so that a worker never waits for the driver
_QUEUED = 16  # tasks more, where they are long: a cluster that grows has to see that there is work
_PATIENCE = 1.0  # seconds without an answer after which what is on its way is not short
_COLD = 10.0  # the same before the first answer: workers have to be started


class Outcome(Future[Any]):
    """What comes of a piece; cancelling it has the work itself stopped, and then that is what comes of it."""

    stop: Callable[[], None] | None = None

    def cancel(self) -> bool:
        """Ask for the end of the work; False when it is over."""
        if self.done() or self.stop is None:
            return False
        self.stop()
        return True


@dataclass(eq=False)
class Piece:
    """One piece of work, once given to a worker."""

    number: int
    args: tuple[Any, ...]
    label: str
    secrets: Mapping[str, str]
    on_event: OnEvent
    lost: int
    is_alone: bool
    outcome: Outcome = field(default_factory=Outcome)
    heard: int = 0  # how many of its events came through the channel
    ending: Ending | None = None
    is_stopped: bool = False


@dataclass
class Ending:
    """What came of a piece, held back until everything that it said before is here, or has to be."""

    result: Any
    error: BaseException | None
    sent: int
    events: Sequence[Event]
    until: float


@dataclass
class Task:
    """One Ray task that is on its way, with what it does."""

    ref: Any
    pieces: list[Piece]
    begun: float


class Work:
    """Pieces that are alike: the same function and code, the same resources."""

    def __init__(self, fn: Any, code: Any, resources: Resources) -> None:
        self.fn, self.code, self.resources = fn, code, resources
        self.waiting: deque[Piece] = deque()
        self.on_way: dict[int, Task] = {}
        self.seconds: float | None = None
        self.answered: float | None = None
        self._latest: deque[float] = deque(maxlen=7)

    @property
    def begun(self) -> float:
        """When the oldest task that is on its way was sent."""
        return next(iter(self.on_way.values())).begun

    def learn(self, seconds: float) -> None:
        """Take note of how long a piece took on a worker that was warm."""
        self._latest.append(seconds)
        self.seconds = sorted(self._latest)[len(self._latest) // 2]

    def next(self, places: int, now: float) -> list[Piece]:
        """Take the pieces of the next task from those that wait; none when enough are on their way."""
        if not self.waiting:
            return []
        is_long = self.seconds is not None and self.seconds >= _SHORT
        if not is_long and self.on_way:
            since = max(self.begun, self.answered or 0.0)
            is_long = now - since > (_COLD if self.answered is None else _PATIENCE)
        if len(self.on_way) >= _AHEAD * places * (2 if is_long else 1) + (_QUEUED if is_long else 0):
            return []
        if is_long or self.seconds is None or self.waiting[0].is_alone:
            return [self.waiting.popleft()]
        share = math.ceil(len(self.waiting) / max(places, 1))
        wanted = max(1, min(_MOST, share, int(_TASK / max(self.seconds, 1e-4))))
        taken = [self.waiting.popleft()]
        while len(taken) < wanted and self.waiting and not self.waiting[0].is_alone:
            taken.append(self.waiting.popleft())
        return taken

    def options(self, label: str) -> dict[str, Any]:
        """Return what Ray is told of a task; it does nothing again by itself."""
        asked = self.resources
        given: dict[str, Any] = {"num_cpus": asked.cpus, "max_retries": 0, "name": label or "step"}
        if asked.gpus:
            given["num_gpus"] = asked.gpus
        if asked.memory:
            given["memory"] = asked.memory
        if asked.custom:
            given["resources"] = dict(asked.custom)
        return given


def places(resources: Resources, nodes: Sequence[Mapping[str, float]]) -> int:
    """Return how many pieces with these resources the nodes hold at once; at least one, as more nodes may come."""
    wanted = resources.wants()
    if not wanted:
        return max(1, int(sum(node.get("CPU", 0.0) for node in nodes)))
    held = (min(node.get(name, 0.0) // amount for name, amount in wanted.items()) for node in nodes)
    return max(1, int(sum(held)))
