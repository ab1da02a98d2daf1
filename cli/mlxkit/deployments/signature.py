"""What a model expects, read from the `MLmodel` beside its files: columns, tensors, and a body to try it with."""

from __future__ import annotations

import json
from dataclasses import field
from math import prod
from pathlib import Path
from typing import Any

from ..config.yamltext import load_yaml
from ..dataclass import dataclass
from ..errors import ConfigError

_SHOWN = 12
_LONGEST_EXAMPLE = 1000  # bytes: more is no example on a command line
_MOST_VALUES = 100
_SAMPLES: dict[str, Any] = {
    "integer": 0, "long": 0, "float": 0.0, "double": 0.0, "boolean": False, "string": "text", "binary": "AAAA",
    "datetime": "2026-01-01T00:00:00",
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """One column of a table, or one named tensor."""

    name: str
    type: str
    is_required: bool = True
    shape: tuple[int, ...] | None = None

    @property
    def shown(self) -> str:
        """The column as messages name it."""
        text = f"{self.name} ({self.type})" if self.name else self.type
        return text if self.is_required else f"{text} optional"


@dataclass(frozen=True)
class Signature:
    """What a model takes; without columns nothing is known of it."""

    columns: tuple[Column, ...] = ()
    example: str = field(default="", repr=False)

    @property
    def names(self) -> list[str]:
        """The names of the columns, when it takes a table whose columns all have one."""
        names = [column.name for column in self.columns if column.shape is None]
        return names if names and len(names) == len(self.columns) and all(names) else []

    @property
    def shown(self) -> str:
        """The columns with their types, in one line."""
        more = f" and {len(self.columns) - _SHOWN} more" if len(self.columns) > _SHOWN else ""
        return ", ".join(column.shown for column in self.columns[:_SHOWN]) + more

    def sample(self) -> str | None:
        """Return a short body that the model takes, or None when not enough is known to make one."""
        if self.example:
            return self.example
        needed = [column for column in self.columns if column.is_required] or list(self.columns)
        values = [_sample(column) for column in needed]
        if not values or any(value is None for value in values):
            return None
        if self.names:
            split = {"columns": [column.name for column in needed], "data": [values]}
            return _short({"dataframe_split": split})
        if len(needed) == 1 and not needed[0].name:
            return _short({"inputs": values[0] if needed[0].shape is not None else values})
        if all(column.name for column in needed):
            return _short(
                {"inputs": {column.name: value for column, value in zip(needed, values, strict=True)}}
            )
        return _short({"inputs": [values]})


def read_signature(model_dir: Path) -> Signature:
    """Read what a model expects; one that says nothing, or cannot be read, expects nothing that is known."""
    try:
        data = load_yaml((model_dir / "MLmodel").read_text("utf-8"), what="MLmodel")
        inputs = json.loads((data.get("signature") or {}).get("inputs") or "[]")
        columns = tuple(_column(item) for item in inputs)
    except (OSError, ValueError, ConfigError, AttributeError, TypeError, KeyError):
        data, columns = {}, ()
    return Signature(columns, _example(model_dir, data))


def _column(item: dict[str, Any]) -> Column:
    name, is_required = str(item.get("name", "")), bool(item.get("required", True))
    if item["type"] == "tensor":
        spec = item["tensor-spec"]
        shape = tuple(int(size) for size in spec["shape"])
        return Column(name, f"tensor of {spec['dtype']} {list(shape)}", is_required, shape)
    return Column(name, str(item["type"]), is_required)


def _example(model_dir: Path, data: Any) -> str:
    """Return the serving example that was logged with the model, when it is short."""
    saved = data.get("saved_input_example_info") if isinstance(data, dict) else None
    path = saved.get("serving_input_path") if isinstance(saved, dict) else None
    if not isinstance(path, str) or path != Path(path).name:
        return ""
    try:
        if (model_dir / path).stat().st_size > _LONGEST_EXAMPLE:
            return ""
        body = json.loads((model_dir / path).read_text("utf-8"))
        return json.dumps(body) if isinstance(body, dict) else ""
    except (OSError, ValueError):
        return ""


def _sample(column: Column) -> Any:
    if column.shape is None:
        return _SAMPLES.get(column.type)
    sizes = [1 if size < 0 else size for size in column.shape]
    if prod(sizes) > _MOST_VALUES or "str" in column.type or "object" in column.type:
        return None
    value: Any = False if " of bool" in column.type else 0 if "int" in column.type else 0.0
    for size in reversed(sizes):
        value = [value] * size
    return value


def _short(body: Any) -> str | None:
    text = json.dumps(body)
    return text if len(text) <= _LONGEST_EXAMPLE else None
