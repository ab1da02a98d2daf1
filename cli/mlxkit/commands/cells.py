"""Values as they are shown on one line: for people, and on a pipe."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# C0 and C1 control characters, and what turns the direction of writing round.
STEERING = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def cell(value: Any) -> str:
    """Render a value on one line: lists by comma, nothing as nothing, no tab or newline that would break a row."""
    if value is None or value == {} or value == []:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return ", ".join(cell(item) for item in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{harmless(str(key))}={cell(item)}" for key, item in value.items())
    return harmless(str(value))


def for_people(column: str, value: Any) -> str:
    """Render a cell of a table on a terminal: times as ages, digests by their start; pipes get the whole value."""
    if column in ("started", "created", "updated", "last_started") and isinstance(value, str):
        return _age(value)
    if column == "duration" and isinstance(value, float):
        return f"{value:.2f}s" if value < 60 else f"{int(value) // 60}m{int(value) % 60:02d}s"
    return cell(value)[:12] if column == "digest" else cell(value)


def harmless(text: str) -> str:
    """Return a text with what would steer a terminal, or break the line, written out: a tab is a blank."""
    return STEERING.sub(written_out, text.replace("\t", " ").replace("\r", ""))


def written_out(found: re.Match[str]) -> str:
    """Return a character that was found as Python writes it in a text."""
    return ascii(found[0])[1:-1]


def _age(moment: str) -> str:
    from datetime import datetime, timezone

    seconds = int((datetime.now(timezone.utc) - datetime.fromisoformat(moment)).total_seconds())
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return f"{max(seconds, 0)} s ago"
