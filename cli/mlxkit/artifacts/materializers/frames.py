"""pandas frames and series as Arrow IPC files: index, names and dtypes come back as they were, or it is not used.

Arrow keeps the columns. What it would change (names that are not text, the index's names and frequency,
`attrs`) is written beside them in the schema's metadata. A frame with columns that Arrow cannot hold
faithfully (mixed objects, periods, sparse or complex numbers) is refused and pickled by the caller.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from .. import plain
from ..classes import BeforeCode
from . import tables
from .formats import NotRepresentableError

_OURS = b"mlx.pandas"
_NULLABLE = ("Int", "UInt", "Float", "boolean")


def write(value: Any, file: Any) -> None:
    """Write a frame, or a series as a frame of one column."""
    is_series = isinstance(value, pd.Series)
    frame = value.to_frame("value") if is_series else value
    ours: dict[str, Any] = {"attrs": value.attrs, "index": list(frame.index.names)}
    if is_series:
        ours["series"] = value.name
    elif not _are_ordinary(frame.columns):
        ours["columns"] = _described(frame.columns)
        frame = frame.set_axis([f"c{position}" for position in range(frame.shape[1])], axis=1)
    else:
        ours["columns_dtype"] = str(frame.columns.dtype)
    if isinstance(frame.index, (pd.DatetimeIndex, pd.TimedeltaIndex)) and frame.index.freq is not None:
        ours["freq"] = frame.index.freqstr
    for position in range(frame.shape[1]):
        _check(frame.iloc[:, position])
    for level in range(frame.index.nlevels):
        _check(frame.index.get_level_values(level))
    frame = frame.copy(deep=False)
    frame.attrs = {}
    frame.index = frame.index.set_names([None] * frame.index.nlevels)
    try:
        text = plain.dumps(ours)
        table = pa.Table.from_pandas(frame)
    except (plain.NotPlainError, pa.ArrowException, ValueError, TypeError, NotImplementedError) as error:
        raise NotRepresentableError(str(error)) from error
    tables.write_table(
        table.replace_schema_metadata({**(table.schema.metadata or {}), _OURS: text.encode()}), file
    )


def read(path: Path, before_code: BeforeCode | None = None) -> Any:
    """Return a frame or series of the reader's own: changing it changes nothing else."""
    table = tables.read_table(path)
    ours = plain.loads((table.schema.metadata or {})[_OURS], before_code=before_code)
    frame = table.to_pandas()
    for position in range(frame.shape[1]):
        column = frame.iloc[:, position]
        if not _is_writeable(column):
            frame.isetitem(position, column.copy(deep=True))
    frame.index = frame.index.set_names(ours["index"])
    if "freq" in ours:
        frame.index.freq = ours["freq"]
    if "columns" in ours:
        frame.columns = _restored(ours["columns"])
    elif "columns_dtype" in ours:
        frame.columns = pd.Index(list(frame.columns), dtype=ours["columns_dtype"])
    value = frame["value"].rename(ours["series"]) if "series" in ours else frame
    value.attrs = ours["attrs"]
    return value


def summary(value: Any) -> dict[str, Any]:
    """Return the number of rows and the columns."""
    if isinstance(value, pd.Series):
        return {"rows": len(value), "dtype": str(value.dtype)}
    return {"rows": len(value), "columns": tables.columns(value.columns)}


def _are_ordinary(columns: Any) -> bool:
    """Say whether the columns are a plain index of distinct names that Arrow and pandas agree about."""
    return (
        type(columns) is pd.Index
        and columns.name is None
        and columns.is_unique
        and all(type(name) is str and not name.startswith("__index") for name in columns)
    )


def _described(columns: Any) -> dict[str, Any]:
    """Return an index of names as plain data; raises NotRepresentableError for dates and the like."""
    if isinstance(columns, pd.RangeIndex):
        return {"range": [columns.start, columns.stop, columns.step], "names": list(columns.names)}
    if isinstance(columns, pd.MultiIndex):
        return {
            "tuples": list(columns),
            "names": list(columns.names),
            "dtypes": [str(level.dtype) for level in columns.levels],
        }
    if type(columns) is not pd.Index:
        raise NotRepresentableError(f"columns are a {type(columns).__name__}")
    return {"labels": list(columns), "names": list(columns.names), "dtype": str(columns.dtype)}


def _restored(described: dict[str, Any]) -> Any:
    if "range" in described:
        start, stop, step = described["range"]
        return pd.RangeIndex(start, stop, step, name=described["names"][0])
    if "tuples" in described:
        return pd.MultiIndex.from_tuples(described["tuples"], names=described["names"])
    return pd.Index(
        described["labels"], dtype=described["dtype"], name=described["names"][0], tupleize_cols=False
    )


def _check(column: Any) -> None:
    """Raise NotRepresentableError unless Arrow brings this column or index level back as it is."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _check(dtype.categories)
    if isinstance(dtype, np.dtype):
        if dtype.kind in "biumM" or (dtype.kind == "f" and dtype.itemsize in (4, 8)):
            return None
        if dtype.kind == "O" and _is_text(column):
            return None
    elif isinstance(dtype, (pd.DatetimeTZDtype, pd.StringDtype)) or str(dtype).startswith(_NULLABLE):
        return None
    raise NotRepresentableError(f"a column of {dtype}")


def _is_text(column: Any) -> bool:
    """Say whether a column of objects is text, with None where there is none."""
    if len(column) == 0:
        return False
    return all(type(item) is str or item is None for item in column) and any(
        type(item) is str for item in column
    )


def _is_writeable(column: Any) -> bool:
    """Say whether the memory of a column is the frame's own; what Arrow lent is read-only."""
    array = column.array
    for name in ("_codes", "_ndarray", "_data"):
        array = getattr(array, name, array)
    flags = getattr(array, "flags", None)
    return flags is None or bool(flags.writeable)
