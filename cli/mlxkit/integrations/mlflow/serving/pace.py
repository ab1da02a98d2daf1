"""Where a prediction is made: at once, in the thread that serves, or in one of its own.

A thread of its own costs a quarter of a millisecond and up, which is more than a small model takes; and whatever takes
long in the serving thread holds up everybody, a health check too. So it is measured: a request is answered at once only
when it is small and those before it were quick, and a single slow one ends that for a minute, the next for longer.
"""

from __future__ import annotations

import time

_SMALL = 16 * 1024  # bytes of a request
_QUICK = 0.005  # seconds
_SLOW = 0.030
_STREAK = 16  # quick ones in a row that are believed
_BARRED = 60.0
_LONGEST = 3600.0


class Pace:
    """What was measured of the predictions of one model."""

    def __init__(self) -> None:
        self._streak = 0
        self._barred_until = 0.0
        self._bar = _BARRED
        self._running = 0

    def is_quick(self, size: int) -> bool:
        """Say whether a request of so many bytes is answered at once."""
        return size <= _SMALL and self._streak >= _STREAK

    def begin(self) -> float:
        """Note that a prediction begins; returns the time."""
        self._running += 1
        return time.perf_counter()

    def end(self, began: float, size: int) -> None:
        """Note that it ended. Those that ran at the same time shared one interpreter, and share the blame."""
        now = time.perf_counter()
        at_once, self._running = self._running, self._running - 1
        if size > _SMALL:
            return
        took = (now - began) / at_once
        if took > _SLOW:
            if self._streak >= _STREAK:  # it was believed, wrongly
                self._barred_until = now + self._bar
                self._bar = min(2 * self._bar, _LONGEST)
            self._streak = 0
        elif took > _QUICK:
            self._streak = 0
        elif now >= self._barred_until:
            self._streak += 1
