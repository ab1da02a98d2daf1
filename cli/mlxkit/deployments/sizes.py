"""Sizes as people write them: 500KB, 32MB, 1GB, each 1024 of the one before."""

from __future__ import annotations

import re

from ..errors import UsageError

_UNITS = {"": 1, "B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3}
_SIZE = re.compile(r"\s*(\d{1,12}(?:\.\d{1,3})?)\s*([kmg]?)i?(b?)\s*", re.IGNORECASE)


def size_of(text: str | int, *, what: str) -> int:
    """Return a size in bytes; raises UsageError for what is none."""
    if isinstance(text, int):
        return text
    found = _SIZE.fullmatch(text)
    size = int(float(found[1]) * _UNITS[f"{found[2].upper()}B"]) if found else 0
    if size < 1:
        raise UsageError(f"{what}: {text!r} is no size", hint=f"{what} 32MB")
    return size


def size_text(size: int) -> str:
    """Return a size as it is written on the command line, rounded up to a tenth when it is not whole."""
    for unit in ("GB", "MB", "KB"):
        factor = _UNITS[unit]
        if size >= factor:
            tenths = -(-size * 10 // factor)
            return f"{tenths // 10}{unit}" if tenths % 10 == 0 else f"{tenths / 10:.1f}{unit}"
    return f"{size}B"
