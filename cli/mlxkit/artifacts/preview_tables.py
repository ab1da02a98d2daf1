"""The first rows of an Arrow table, as text that fits."""

from __future__ import annotations

from typing import Any

from .opening import Opened
from .shortening import short

_CELL = 24


def table_lines(opened: Opened, rows: int, width: int) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the size and dtypes of a table, and its first rows as lines no wider than told."""
    table, names = opened.value, opened.names
    columns = [position for position, name in enumerate(names) if name in opened.index]
    columns += [position for position in range(len(names)) if position not in columns]
    kinds = {names[position]: str(table.schema.types[position]) for position in columns[:50]}
    facts = {
        "rows": table.num_rows,
        "columns": table.num_columns - len(opened.index),
        "bytes": table.nbytes,
        "types": kinds,
    }
    head = table.slice(0, rows)
    blocks: list[list[str]] = []
    used = 0
    for position in columns:
        cells = [
            names[position],
            kinds.get(names[position], ""),
            *map(_cell, head.column(position).to_pylist()),
        ]
        cells = [short(cell, _CELL) for cell in cells]
        broad = max(map(len, cells))
        if used + broad + 2 > width - 4 and blocks:
            blocks.append(["...", *[""] * (len(cells) - 1)])
            break
        blocks.append([_aligned(cell, broad, table.schema.types[position]) for cell in cells])
        used += broad + 2
    lines = ["  ".join(cells).rstrip()[:width] for cells in zip(*blocks, strict=True)]
    if table.num_rows > rows:
        lines.append(f"... {table.num_rows - rows} more rows")
    return facts, tuple(lines)


def _aligned(cell: str, width: int, kind: Any) -> str:
    text = str(kind)
    is_number = text.startswith(("int", "uint", "float", "double", "half", "decimal"))
    return cell.rjust(width) if is_number else cell.ljust(width)


def _cell(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, float):
        return f"{value:.6g}"
    text = short(str(value), _CELL * 2)
    return "".join(char if char.isprintable() else " " for char in text)
