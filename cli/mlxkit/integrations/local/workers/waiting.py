"""The queue of work: first come, first served, and small work passes large work that does not fit, for a while."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

from ....stacks.executors import Resources

_PATIENCE = 16  # pieces of work that may pass one that does not fit; then everybody waits until it does


class Sized(Protocol):
    """Work that asks for something."""

    resources: Resources


Work = TypeVar("Work", bound=Sized)
Shape = tuple[float, float, int | None]


class Waiting(Generic[Work]):
    """Work that waits, one line for each size that is asked for: the first of a line stands for all of it."""

    def __init__(self) -> None:
        self._lines: dict[Shape, deque[tuple[int, Work]]] = {}
        self._passed: dict[Shape, int] = {}
        self._count = 0

    def add(self, work: Work) -> None:
        """Put work at the end."""
        self._count += 1
        asked = work.resources
        shape = (asked.cpus, asked.gpus, asked.memory)
        self._lines.setdefault(shape, deque()).append((self._count, work))

    def next(self, take: Callable[[Work], bool]) -> Work | None:
        """Return the first work that can be taken, and take it out; None when none can."""
        passed: list[Shape] = []
        for shape, line in sorted(self._lines.items(), key=lambda item: item[1][0][0]):
            if take(line[0][1]):
                for other in passed:
                    self._passed[other] = self._passed.get(other, 0) + 1
                return self._out(shape)
            if self._passed.get(shape, 0) >= _PATIENCE:
                return None
            passed.append(shape)
        return None

    def remove(self, work: Work) -> bool:
        """Take work out; returns whether it was there."""
        for shape, line in self._lines.items():
            for item in line:
                if item[1] is work:
                    line.remove(item)
                    if not line:
                        del self._lines[shape]
                    return True
        return False

    def clear(self) -> list[Work]:
        """Take out all of it, and return it."""
        everything = [work for line in self._lines.values() for _, work in line]
        self._lines.clear()
        return everything

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def __iter__(self) -> Iterator[Work]:
        return (work for line in self._lines.values() for _, work in line)

    def _out(self, shape: Shape) -> Work:
        self._passed.pop(shape, None)
        line = self._lines[shape]
        _, work = line.popleft()
        if not line:
            del self._lines[shape]
        return work
