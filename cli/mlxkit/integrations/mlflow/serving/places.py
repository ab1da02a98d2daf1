"""The place of one worker: how often it was left in a row, and when it is filled again."""

from __future__ import annotations

_STEADY = 60.0  # who served for so long has not died because of how it was started
_MANY = 5
_FIRST, _LONGEST = 0.5, 30.0  # seconds


class Place:
    """Count the deaths of one worker after the other, apart from those of its neighbours."""

    def __init__(self) -> None:
        self.deaths = 0
        self.due = 0.0

    def vacate(self, now: float, served: float) -> float:
        """Note a death after so many seconds of service; returns the pause: none at first, then longer and longer."""
        self.deaths = 1 if served >= _STEADY else self.deaths + 1
        pause = 0.0 if self.deaths == 1 else min(_FIRST * 2 ** min(self.deaths - 2, 16), _LONGEST)
        self.due = now + pause
        return pause

    @property
    def is_failing(self) -> bool:
        """Say whether so many died in a row that it looks hopeless; it is tried all the same."""
        return self.deaths >= _MANY
