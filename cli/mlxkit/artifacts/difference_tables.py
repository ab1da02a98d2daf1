"""What two tables differ in: columns, types, rows, figures of columns, and cells by position or by key."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import NotFoundError, UsageError, did_you_mean
from .difference import UNEXPLAINED, Change, Comparison
from .difference_schemas import only_written_differently, schema_changes
from .opening import Opened
from .shortening import short

_NAMED = 20


def compare_tables(before: Opened, after: Opened, key: str | None = None) -> Comparison:
    """Return the differences; with a key rows are matched by its value, otherwise by their place."""
    left, right = _columns(before), _columns(after)
    changes = [
        Change(f"column {name}", "removed", before=str(left[name].type)) for name in left if name not in right
    ]
    changes += [
        Change(f"column {name}", "added", after=str(right[name].type)) for name in right if name not in left
    ]
    shared = [name for name in left if name in right]
    changes += [
        Change(f"type of {name}", "changed", str(left[name].type), str(right[name].type))
        for name in shared
        if left[name].type != right[name].type
    ]
    if [name for name in right if name in left] != shared:
        changes.append(
            Change("order of columns", "changed", shared, [name for name in right if name in left])
        )
    changes += schema_changes(before, after)
    rows = [before.value.num_rows, after.value.num_rows]
    facts: dict[str, Any] = {"rows": rows, "columns": [len(left), len(right)]}
    if rows[0] != rows[1]:
        changes.append(Change("rows", "changed", *rows))
    if key is not None:
        labels, left, right, more = _matched(left, right, key)
        changes += more
        facts["matched"] = len(labels)
    else:
        count = min(rows)
        labels = range(count)
        left, right = (
            {name: column.slice(0, count) for name, column in side.items()} for side in (left, right)
        )
    figures: dict[str, Any] = {}
    named: list[Change] = []
    cells = 0
    for name in shared:
        if name == key:
            continue
        unlike = _unlike(left[name], right[name])
        if unlike is None:
            continue
        total = int(pc.sum(unlike).as_py() or 0)
        cells += total
        if total:
            told = {"differing": total, "before": _figures(left[name]), "after": _figures(right[name])}
            figures[name] = told
            for place in pc.indices_nonzero(unlike).slice(0, max(_NAMED - len(named), 0)).to_pylist():
                where = short(f"{name}[{labels[place] if key is None else f'{key}={labels[place]}'}]")
                named.append(Change(where, "changed", _plain(left[name][place]), _plain(right[name][place])))
    facts["differing_cells"] = cells
    if figures:
        facts["by_column"] = figures
    note = f"{cells - len(named)} more cells" if cells > len(named) else ""
    is_equal = not changes and not cells
    if is_equal and not only_written_differently(before, after):
        return Comparison("table", False, facts, note=UNEXPLAINED)
    return Comparison("table", is_equal, facts, (*changes, *named), note=note)


def _columns(opened: Opened) -> dict[str, Any]:
    """Return the columns by name; a name that comes twice is numbered."""
    found: dict[str, Any] = {}
    for position, name in enumerate(opened.names):
        known, count = name, 1
        while known in found:
            count += 1
            known = f"{name} ({count})"
        found[known] = opened.value.column(position)
    return found


def _matched(left: dict[str, Any], right: dict[str, Any], key: str) -> tuple[Any, Any, Any, list[Change]]:
    """Return the keys that both have, both tables' rows for them in one order, and the keys that one of them lacks."""
    places = []
    for side, columns in (("left", left), ("right", right)):
        if key not in columns:
            raise NotFoundError(
                f"the {side} table has no column {key!r}{did_you_mean(key, columns)}; it has {', '.join(columns)}"
            )
        values = columns[key].to_pylist()
        found = {value: place for place, value in enumerate(values)}
        if len(found) != len(values):
            raise UsageError(f"column {key!r} is no key: the {side} table has values in it more than once")
        places.append(found)
    shared = [value for value in places[0] if value in places[1]]
    changes = []
    for here, there, what in ((places[0], places[1], "removed"), (places[1], places[0], "added")):
        lone = [value for value in here if value not in there]
        changes += [
            Change(
                short(f"row {key}={value}"),
                what,
                before=f"row {here[value]}" if what == "removed" else None,
                after=f"row {here[value]}" if what == "added" else None,
            )
            for value in lone[:_NAMED]
        ]
        if len(lone) > _NAMED:
            changes.append(Change(f"rows by {key}", what, after=f"{len(lone) - _NAMED} more"))
    taken = []
    for columns, known in ((left, places[0]), (right, places[1])):
        order = pa.array([known[value] for value in shared], type=pa.int64())
        taken.append({name: column.take(order) for name, column in columns.items()})
    return shared, taken[0], taken[1], changes


def _unlike(before: Any, after: Any) -> Any:
    """Return which rows differ, or None for types that cannot be compared; nothing equals nothing, nan equals nan, 0.0 not -0.0."""
    if isinstance(before.type, pa.DictionaryType):
        before = before.cast(before.type.value_type)
    if isinstance(after.type, pa.DictionaryType):
        after = after.cast(after.type.value_type)
    if before.type != after.type:
        try:
            before = before.cast(after.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return None
    try:
        unlike = pc.not_equal(before, after)
    except pa.ArrowNotImplementedError:  # lists and structs
        pairs = zip(before.to_pylist(), after.to_pylist(), strict=True)
        # By what they are written as: nan equals nan inside of them, too, and 0.0 is not -0.0.
        return pa.chunked_array([pa.array([repr(one) != repr(two) for one, two in pairs], type=pa.bool_())])
    if pa.types.is_floating(after.type):
        both = pc.and_(pc.is_nan(before), pc.is_nan(after))
        unlike = pc.or_(pc.and_(unlike, pc.invert(both)), _other_zero(before, after))
    return (
        pc.fill_null(unlike, False)
        if before.null_count == after.null_count == 0
        else pc.or_(pc.fill_null(unlike, False), pc.xor(pc.is_null(before), pc.is_null(after)))
    )


def _other_zero(before: Any, after: Any) -> Any:
    """Return which rows are zero with another sign."""
    left, right = before.to_numpy(), after.to_numpy()
    return pa.chunked_array([pa.array((left == right) & (np.signbit(left) != np.signbit(right)))])


def _figures(column: Any) -> dict[str, Any]:
    """Return a few figures of a column: of numbers the range and the mean, of others how many are distinct."""
    facts: dict[str, Any] = {"nulls": column.null_count}
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        ends = pc.min_max(column).as_py()
        mean = pc.mean(column).as_py()
        return {**facts, "min": ends["min"], "mean": mean, "max": ends["max"]}
    try:
        return {**facts, "distinct": pc.count_distinct(column).as_py()}
    except pa.ArrowNotImplementedError:
        return facts


def _plain(value: Any) -> Any:
    found = value.as_py()
    return found if found is None or isinstance(found, (bool, int, float)) else short(str(found))
