"""What two stored values differ in: by path, by line, by cell, by element; pickles by what is known without opening them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any

from ..dataclass import dataclass
from ..records import Record
from .opening import CLOSED, Opened, of_value, open_safely
from .records import ArtifactRecord
from .shortening import LONGEST, short
from .store import ArtifactStore

UNEXPLAINED = "nothing was found that differs, but they are stored differently and cannot be said to be equal"
MOST = 50  # changes that are named; the others are counted


@dataclass(frozen=True)
class Change(Record):
    """One difference: where it is, what it is (`changed`, `added`, `removed`), and both values, the left one before.

    `types` are those of both values where they differ.
    """

    where: str
    what: str
    before: Any = None
    after: Any = None
    types: tuple[str, ...] = field(default=(), kw_only=True)


@dataclass(frozen=True)
class Comparison(Record):
    """How two values compare: `kind` says by what, `facts` are figures, `lines` the difference of a text.

    `is_equal` is None where nobody can say without opening a pickle.
    """

    kind: str
    is_equal: bool | None
    facts: Mapping[str, Any] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()
    lines: tuple[str, ...] = ()
    note: str = ""


def compare(
    before: ArtifactRecord,
    after: ArtifactRecord,
    store: ArtifactStore,
    other: ArtifactStore | None = None,
    *,
    key: str | None = None,
    unpickle: bool = False,
) -> Comparison:
    """Return what two artifacts differ in; `key` is the column that says which rows of tables belong together.

    The second one lies in `other`, where that is not the same store.

    Raises NotFoundError for a key that is no column, ArtifactMissingError and ArtifactUnreadableError.
    """
    if before.digest == after.digest:
        return Comparison("same", True, note="the same content, byte by byte")
    left = open_safely(before, store, unpickle=unpickle)
    right = open_safely(after, other or store, unpickle=unpickle)
    found = compare_opened(left, right, key=key)
    if found.is_equal is not None and not found.changes and before.type != after.type:
        note = "" if found.note == UNEXPLAINED else found.note
        change = Change("type", "changed", before.type, after.type)
        return replace(found, is_equal=False, changes=(change,), note=note)
    return found


def compare_opened(before: Opened, after: Opened, *, key: str | None = None) -> Comparison:
    """Return what two opened values differ in."""
    if "closed" in (before.kind, after.kind):
        return Comparison(
            "closed", None if before.kind == after.kind else False, note=before.note or after.note or CLOSED
        )
    if before.kind != after.kind:
        return Comparison("kind", False, changes=(Change("", "changed", before.kind, after.kind),))
    if before.kind == "table":
        from .difference_tables import compare_tables

        return compare_tables(before, after, key)
    if before.kind == "array":
        from .difference_arrays import compare_arrays

        return compare_arrays(before.value, after.value)
    if before.kind == "text":
        return _texts(before.value, after.value)
    if before.kind == "bytes":
        return _bytes(before.value, after.value)
    return (
        _values(before.value, after.value) if before.kind == "value" else _objects(before.value, after.value)
    )


def _texts(before: str, after: str) -> Comparison:
    from difflib import unified_diff

    left, right = before.splitlines(), after.splitlines()
    found = list(unified_diff(left, right, "before", "after", n=2, lineterm=""))
    body = found[2:]
    facts = {
        "added": sum(line.startswith("+") for line in body),
        "removed": sum(line.startswith("-") for line in body),
    }
    note = "" if found or before == after else "only line ends differ"
    lines = tuple(short(line) for line in found)
    if lines != tuple(found):
        note = f"lines are cut at {LONGEST} characters"
    return Comparison("text", before == after, facts, lines=lines, note=note)


def _bytes(before: bytes, after: bytes) -> Comparison:
    blocks = range(0, max(len(before), len(after)), 4096)
    block = next((at for at in blocks if before[at : at + 4096] != after[at : at + 4096]), None)
    first = None
    if block is not None:
        shared = min(len(before), len(after))
        first = next((at for at in range(block, shared) if before[at] != after[at]), shared)
    return Comparison(
        "bytes", before == after, {"size": [len(before), len(after)], "first_difference": first}
    )


def _values(before: Any, after: Any) -> Comparison:
    from .difference_values import walk

    changes: list[Change] = []
    total, unknown = 0, False
    for change in walk(before, after, ""):
        if change is None:
            unknown = True
            continue
        total += 1
        if len(changes) < MOST:
            changes.append(change)
    note = f"{total - len(changes)} more" if total > len(changes) else ""
    if unknown:
        note = "; ".join(text for text in (note, f"some parts are pickled: {CLOSED}") if text)
    is_equal = False if total else (None if unknown else True)
    return Comparison("values", is_equal, {"differences": total}, tuple(changes), note=note)


def _objects(before: Any, after: Any) -> Comparison:
    """Compare objects that were unpickled: their class and, as scikit-learn has it, their parameters."""
    kinds = [f"{type(item).__module__}.{type(item).__qualname__}" for item in (before, after)]
    if kinds[0] != kinds[1]:
        return Comparison("object", False, changes=(Change("class", "changed", *kinds),))
    if not hasattr(before, "get_params"):
        return Comparison(
            "object", None, {"class": kinds[0]}, note="objects of this class cannot be compared"
        )
    left, right = (of_value({k: _param(v) for k, v in item.get_params().items()}) for item in (before, after))
    found = _values(left.value, right.value)
    note = "" if found.changes else "the parameters are the same; what was learnt from data differs"
    return Comparison("object", False, {"class": kinds[0], **found.facts}, found.changes, note=note)


def _param(value: Any) -> Any:
    return value if value is None or isinstance(value, (bool, int, float, str)) else short(repr(value), 500)
