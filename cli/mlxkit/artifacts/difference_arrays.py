"""What two arrays differ in, a block at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from .difference import Change, Comparison
from .shortening import short

_BLOCK = 1 << 20
_NAMED = 5


def compare_arrays(before: Any, after: Any) -> Comparison:
    """Return differences in shape, dtype and elements: nan equals nan, 0.0 is not -0.0, the order in memory is nothing."""
    changes = []
    if before.shape != after.shape:
        changes.append(Change("shape", "changed", list(before.shape), list(after.shape)))
    if before.dtype != after.dtype:
        changes.append(Change("dtype", "changed", str(before.dtype), str(after.dtype)))
    facts: dict[str, Any] = {
        "shape": [list(before.shape), list(after.shape)],
        "dtype": [str(before.dtype), str(after.dtype)],
    }
    if before.shape != after.shape or before.dtype.names or after.dtype.names:
        same = (
            before.shape == after.shape
            and before.dtype == after.dtype
            and before.tobytes() == after.tobytes()
        )
        note = "" if same or changes else "elements differ"
        return Comparison("array", same, facts, tuple(changes), note=note)
    try:
        facts |= _elements(before, after, changes)
    except (TypeError, ValueError):  # texts against numbers
        return Comparison(
            "array", False, facts, tuple(changes), note="elements of these dtypes cannot be compared"
        )
    return Comparison("array", not changes, facts, tuple(changes))


def _elements(before: Any, after: Any, changes: list[Change]) -> dict[str, Any]:
    left, right = before.reshape(-1), after.reshape(-1)
    are_numbers = before.dtype.kind in "biufc" and after.dtype.kind in "biufc"
    count, greatest, named = 0, 0.0, 0
    for start in range(0, left.size, _BLOCK):
        a, b = left[start : start + _BLOCK], right[start : start + _BLOCK]
        unlike = np.asarray(a != b)
        if unlike.shape != a.shape:
            raise TypeError("not comparable")
        if before.dtype.kind in "fcmM" and after.dtype.kind == before.dtype.kind:
            unlike &= ~((a != a) & (b != b))
            unlike |= _other_zero(a, b)
        places = np.flatnonzero(unlike)
        count += places.size
        if are_numbers and places.size:
            wide = np.complex128 if "c" in (before.dtype.kind, after.dtype.kind) else np.float64
            with np.errstate(all="ignore"):
                gaps = np.abs(a[places].astype(wide) - b[places].astype(wide))
            finite = gaps[np.isfinite(gaps)]
            greatest = max(greatest, float(finite.max())) if finite.size else greatest
        for place in places[: max(_NAMED - named, 0)]:
            where = ", ".join(str(int(item)) for item in np.unravel_index(start + place, before.shape))
            changes.append(Change(f"[{where}]", "changed", _plain(a[place]), _plain(b[place])))
            named += 1
    facts: dict[str, Any] = {"elements": int(left.size), "differing": int(count)}
    return {**facts, "max_abs_difference": greatest} if are_numbers else facts


def _other_zero(before: Any, after: Any) -> Any:
    """Return which elements are equal but for the sign of a zero."""
    if before.dtype.kind == "c":
        return _other_zero(before.real, after.real) | _other_zero(before.imag, after.imag)
    if before.dtype.kind != "f":
        return np.zeros(before.shape, dtype=bool)
    return (before == after) & (np.signbit(before) != np.signbit(after))


def _plain(value: Any) -> Any:
    found = value.item() if hasattr(value, "item") else value
    return found if isinstance(found, (bool, int, float)) else short(str(found))
