"""What MLflow keeps of a metric: its values as they were logged, and no more of its points than anything can show."""

from __future__ import annotations

from typing import Any

from ...stacks.protocols import CurvePoint

LIMIT = 50_000  # points of one curve: more are not drawn by anything
INFINITE = 1.7976931348623157e308  # what MLflow's tables hold for an infinity


def value_of(stored: Any) -> float:
    """Return the value that was logged: the largest number that there is stands for an infinity."""
    number = float(stored)
    if abs(number) >= INFINITE:
        return float("inf") if number > 0 else float("-inf")
    return number


class Thinned:
    """The points of a curve, at most about `LIMIT`: of a longer one every second, fourth ... and always the last."""

    def __init__(self) -> None:
        self._points: list[CurvePoint] = []
        self._every = 1
        self._count = 0
        self._last: CurvePoint | None = None

    def add(self, point: CurvePoint) -> None:
        """Take the next point."""
        if self._count % self._every == 0:
            self._points.append(point)
            if len(self._points) >= LIMIT:
                del self._points[1::2]
                self._every *= 2
        self._count += 1
        self._last = point

    def points(self) -> list[CurvePoint]:
        """Return what is kept, from the first point to the last."""
        is_kept = self._last is None or (self._count - 1) % self._every == 0
        return list(self._points) if is_kept or self._last is None else [*self._points, self._last]
