"""The corner and the figures of an array, without reading more of its file than a sample."""

from __future__ import annotations

from typing import Any

import numpy as np

from .shortening import short

_SAMPLE = 2_000_000  # values that figures are made of; a larger array is sampled evenly
_CORNER = 6


def array_lines(array: Any, rows: int, width: int) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return shape, dtype and figures of an array, and its first corner as lines."""
    facts: dict[str, Any] = {
        "shape": list(array.shape),
        "dtype": str(array.dtype),
        "bytes": int(array.nbytes),
    }
    facts |= _figures(array)
    corner = array[tuple(slice(0, _CORNER if axis >= array.ndim - 2 else 1) for axis in range(array.ndim))]
    text = np.array2string(np.array(corner), max_line_width=width, precision=4, suppress_small=True)
    lines = text.split("\n")[:rows]
    if any(size > kept for size, kept in zip(array.shape, corner.shape, strict=True)):
        lines.append("...")
    return facts, tuple(short(line, width) for line in lines)


def _figures(array: Any) -> dict[str, Any]:
    """Return least, mean and greatest value; of an evenly spread sample where the array is large."""
    if array.size == 0 or array.dtype.kind not in "biuf":
        return {}
    sample, facts = array, dict[str, Any]()
    if array.size > _SAMPLE:
        sample, facts = _spread(array), {"sampled": True}
    values = np.asarray(sample, dtype=np.float64)
    finite = values[np.isfinite(values)]
    if array.dtype.kind == "f":
        facts["not_finite"] = int(values.size - finite.size)
    if finite.size:
        facts |= {"min": float(finite.min()), "mean": float(finite.mean()), "max": float(finite.max())}
    return facts


def _spread(array: Any) -> Any:
    """Return about as many values as a sample has, in a few pieces from all over the array: pages, not single values."""
    flat = array.reshape(-1) if array.flags.c_contiguous else array.T.reshape(-1)
    pieces, length = 64, _SAMPLE // 64
    step = (flat.size - length) // (pieces - 1)
    return np.concatenate([flat[start * step : start * step + length] for start in range(pieces)])
