"""When a file was changed, from the words of every file system."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

_NAMES = ("LastModified", "last_modified", "mtime", "updated", "modified", "created")


def changed(info: Mapping[str, Any]) -> float | None:
    """Return the seconds since 1970 at which a file was last written, or None where it is not told."""
    for name in _NAMES:
        value = info.get(name)
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value.replace("Z", "+00:00"))
            except ValueError:
                continue
        if isinstance(value, datetime):
            return (value if value.tzinfo else value.replace(tzinfo=timezone.utc)).timestamp()
        if isinstance(value, (int, float)):
            return float(value)
    return None
