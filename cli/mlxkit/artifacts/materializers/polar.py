"""Polars frames and series as Arrow IPC files, uncompressed, read memory-mapped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from .formats import NotRepresentableError
from .tables import columns

_SERIES = "mlx.series:"


def write(value: Any, file: Any) -> None:
    """Write a frame, or a series as a frame of one column."""
    frame = value.to_frame(_SERIES + value.name) if isinstance(value, pl.Series) else value
    if any(kind.is_object() for kind in frame.schema.dtypes()):
        raise NotRepresentableError("a column of Python objects")
    frame.write_ipc(file, compression="uncompressed")


def read(path: Path) -> Any:
    """Return the frame or series."""
    frame = pl.read_ipc(path)  # mapped, unless a version of Polars knows better
    if frame.width == 1 and frame.columns[0].startswith(_SERIES):
        return frame.to_series(0).rename(frame.columns[0][len(_SERIES) :])
    return frame


def summary(value: Any) -> dict[str, Any]:
    """Return the number of rows and the columns."""
    return {"rows": len(value), "columns": columns(getattr(value, "columns", [getattr(value, "name", "")]))}
