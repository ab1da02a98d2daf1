"""Arrow tables as Arrow IPC files, uncompressed, read memory-mapped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import ipc

_BATCH = b"mlx.batch"


def write(value: Any, file: Any) -> None:
    """Write a table, or a single batch of rows."""
    if isinstance(value, pa.RecordBatch):
        table = pa.Table.from_batches([value])
        write_table(table.replace_schema_metadata({**(table.schema.metadata or {}), _BATCH: b"1"}), file)
    else:
        write_table(value, file)


def read(path: Path) -> Any:
    """Return the table or batch, its columns still in the file."""
    table = read_table(path)
    metadata = dict(table.schema.metadata or {})
    if metadata.pop(_BATCH, None) is None:
        return table
    table = table.replace_schema_metadata(metadata or None)
    batches = table.to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)


def summary(value: Any) -> dict[str, Any]:
    """Return the number of rows and the columns."""
    return {"rows": value.num_rows, "columns": columns(value.schema.names)}


def columns(names: Any) -> list[str]:
    """Return the first names of columns as text; a summary stays small."""
    names = list(names)
    return [str(name) for name in names[:50]] + (["..."] if len(names) > 50 else [])


def write_table(table: Any, file: Any) -> None:
    """Write one Arrow IPC file."""
    with pa.PythonFile(file, mode="w") as sink, ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def read_table(path: Path) -> Any:
    """Map one Arrow IPC file."""
    return ipc.open_file(pa.memory_map(str(path))).read_all()
