"""What two tables differ in beside their cells: index, labels and names, library types, categories, metadata."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from . import neutral
from .difference import Change
from .difference_values import differences, shown
from .opening import Opened

_PANDAS, _OURS = b"pandas", b"mlx.pandas"
_WRITER = ("creator", "pandas_version")  # say who wrote it, and not what
_SHOWN = 20


def schema_changes(before: Opened, after: Opened) -> list[Change]:
    """Return every difference that columns of Arrow do not show. What is stored as another library's has no such things."""
    left, right = before.value.schema.metadata or {}, after.value.schema.metadata or {}
    changes = []
    if _PANDAS in left and _PANDAS in right:
        changes += _ranges(json.loads(left[_PANDAS]), json.loads(right[_PANDAS]), before.value.num_rows)
        changes += _library_types(before, after)
    if _OURS in left and _OURS in right:
        changes += _labels(before, after)
    changes += _categories(before, after)
    others = [
        {key: text for key, text in side.items() if key not in (_PANDAS, _OURS)} for side in (left, right)
    ]
    changes += differences(_texts(others[0]), _texts(others[1]), "metadata")
    return changes


def only_written_differently(before: Opened, after: Opened) -> bool:
    """Say whether two tables without a difference are the same for certain: all that their schemas hold is."""
    left, right = before.value.schema, after.value.schema
    return bool(left.equals(right)) and _known(left) == _known(right)


def _known(schema: Any) -> tuple[Any, ...]:
    metadata = schema.metadata or {}
    told = json.loads(metadata.get(_PANDAS, b"{}"))
    for index in told.get("index_columns", ()):
        if isinstance(index, dict):  # by value it was compared
            index.clear()
    ours = neutral.decode(metadata[_OURS]) if _OURS in metadata else None
    fields = [(field.nullable, field.metadata) for field in schema]
    return ({key: item for key, item in told.items() if key not in _WRITER}, str(ours), fields)


def _ranges(left: Any, right: Any, rows: int) -> list[Change]:
    """Compare indexes that are kept as begin and step; how many there are is compared with the rows."""
    sides = [
        [item for item in side.get("index_columns", ()) if isinstance(item, dict)] for side in (left, right)
    ]
    if not all(sides) or not rows:
        return []
    shown = [f"range from {side[0]['start']} by {side[0]['step']}" for side in sides]
    return [Change("index", "changed", *shown)] if shown[0] != shown[1] else []


def _library_types(before: Opened, after: Opened) -> list[Change]:
    """Compare what pandas calls the types of columns that are the same to Arrow, such as Float64 and float64."""
    sides = []
    for opened in (before, after):
        told = json.loads(opened.value.schema.metadata[_PANDAS])
        types = {item.get("field_name") or item["name"]: item["numpy_type"] for item in told["columns"]}
        fields = zip(opened.names, opened.value.schema, strict=True)
        sides.append({name: (types.get(field.name), field.type) for name, field in fields})
    return [
        Change(f"type of {name}", "changed", kind, sides[1][name][0])
        for name, (kind, stored) in sides[0].items()
        if name in sides[1] and stored == sides[1][name][1] and kind != sides[1][name][0]
        and not isinstance(stored, pa.DictionaryType)  # there it is the type of the codes
    ]  # fmt: skip


def _labels(before: Opened, after: Opened) -> list[Change]:
    left, right = (_described(opened) for opened in (before, after))
    changes = []
    for key in dict.fromkeys([*left, *right]):
        if key == "attrs":
            changes += differences(left.get(key), right.get(key), key)
        elif repr(left.get(key)) != repr(right.get(key)):
            changes.append(Change(key, "changed", left.get(key), right.get(key)))
    return changes


def _described(opened: Opened) -> dict[str, Any]:
    """Return what is kept of a frame or series beside its columns, one fact a key, and the same for all of them."""
    metadata = opened.value.schema.metadata
    ours = neutral.decode(metadata[_OURS])
    found: dict[str, Any] = {
        "attrs": ours.get("attrs") or {},
        "names of the index": _plain(ours.get("index")),
    }
    if "series" in ours:
        return {**found, "kind": "series", "name": _plain(ours["series"])}
    columns = ours.get("columns") or {}
    found["names of the columns"] = _plain(columns.get("names", [None]))
    found["frequency"] = ours.get("freq")
    if "range" in columns:
        found["type of labels"] = "range"
    else:
        found["type of labels"] = _plain(
            columns.get("dtypes") or columns.get("dtype") or ours.get("columns_dtype")
        )
    labels = columns.get("labels") or columns.get("tuples") or ()
    kinds = {type(label).__name__ for label in labels}
    if kinds - {"str", "tuple"}:  # a number and its text are shown alike
        found["kinds of labels"] = sorted(kinds)
    return {**found, "kind": "frame"}


def _categories(before: Opened, after: Opened) -> list[Change]:
    sides = []
    for opened in (before, after):
        columns = zip(opened.names, opened.value.columns, strict=True)
        sides.append(
            {name: _dictionary(item) for name, item in columns if isinstance(item.type, pa.DictionaryType)}
        )
    return [
        Change(f"categories of {name}", "changed", _few(own), _few(sides[1][name]))
        for name, own in sides[0].items()
        if name in sides[1] and repr(own) != repr(sides[1][name])
    ]


def _dictionary(column: Any) -> list[Any]:
    whole = column.unify_dictionaries()
    found: list[Any] = whole.chunk(0).dictionary.to_pylist() if whole.num_chunks else []
    return found


def _few(values: list[Any]) -> list[Any]:
    shown = [_plain(value) for value in values[:_SHOWN]]
    return shown if len(values) <= _SHOWN else [*shown, f"{len(values) - _SHOWN} more"]


def _texts(metadata: dict[bytes, bytes]) -> dict[str, str]:
    return {key.decode(errors="replace"): text.decode(errors="replace") for key, text in metadata.items()}


def _plain(value: Any) -> Any:
    return [*map(shown, value)] if isinstance(value, (list, tuple)) else shown(value)
