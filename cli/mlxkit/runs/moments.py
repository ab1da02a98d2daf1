"""Points in time and spans as people type them: `2026-03-01`, `2026-03-01T14:00`, `2h`, `7d`."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta

from ..errors import UsageError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_557_600}
_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)")
_WORDS = ("sec", "second", "min", "minute", "hour", "day", "week", "year")


def parse_age(text: str) -> float:
    """Return a span in seconds: a number with s, m, h, d, w or y. Raises UsageError."""
    found = _AGE.fullmatch(text.strip().lower())
    unit = found[2] if found else ""
    if found is None or not (unit in _UNITS or unit.removesuffix("s") in _WORDS):
        raise UsageError(f"{text!r} is no age", hint="write 90s, 30m, 2h, 7d, 3w or 1y")
    return float(found[1]) * _UNITS[unit[0]]


def parse_moment(text: str, *, is_end: bool = False) -> float:
    """Return seconds since the epoch of a date, an ISO time, or an age before now. Raises UsageError.

    Without a zone a time is local. A date is the beginning of its day, with `is_end` the end of it.
    """
    written = text.strip()
    if _AGE.fullmatch(written.lower()):
        return time.time() - parse_age(written)
    if written.lower() in ("today", "yesterday"):
        day = datetime.now().replace(hour=0, minute=0, second=0, microsecond=0)
        moment = day - timedelta(days=1) if written.lower() == "yesterday" else day
        return (moment + timedelta(days=1) if is_end else moment).timestamp()
    try:
        moment = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", written))
        if is_end and re.fullmatch(r"\d{4}-\d{2}-\d{2}", written):
            moment += timedelta(days=1)
        return moment.timestamp()
    except (ValueError, OverflowError):
        raise UsageError(
            f"{text!r} is no time", hint="write 2026-03-01, 2026-03-01T14:00, or an age: 2h, 7d, 3w"
        ) from None
