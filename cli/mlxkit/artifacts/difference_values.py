"""What two plain values differ in, by path; equal is what Python calls equal and writes alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .difference import Change, compare_opened
from .neutral import Instance, Part, to_json
from .shortening import short

_SETS = ("set", "frozenset")
_SPECIAL = frozenset(".[]{}\"' \t\n")


def differences(before: Any, after: Any, path: str = "") -> list[Change]:
    """Return every difference below a path; parts that are pickled are passed over."""
    return [change for change in walk(before, after, path) if change is not None]


def walk(before: Any, after: Any, path: str) -> Iterator[Change | None]:
    """Yield every difference below a path, and None for two parts that nobody can compare without opening them."""
    if isinstance(before, Instance) and isinstance(after, Instance) and before.origin == after.origin:
        if before.name in _SETS and before.origin in _SETS:
            yield from _sets(before.value, after.value, path)
        else:
            yield from walk(before.value, after.value, path)
    elif isinstance(before, Part) and isinstance(after, Part):
        yield from _parts(before, after, path)
    elif isinstance(before, dict) and isinstance(after, dict):
        left, right = _by_typed_key(before), _by_typed_key(after)
        for key, (name, value) in left.items():
            here = _below(path, name)
            if key in right:
                yield from walk(value, right[key][1], here)
            else:
                yield Change(here, "removed", before=shown(value))
        for key, (name, value) in right.items():
            if key not in left:
                yield Change(_below(path, name), "added", after=shown(value))
    elif isinstance(before, (list, tuple)) and type(before) is type(after):
        for index, (one, other) in enumerate(zip(before, after, strict=False)):
            yield from walk(one, other, f"{path}[{index}]")
        for index in range(len(after), len(before)):
            yield Change(f"{path}[{index}]", "removed", before=shown(before[index]))
        for index in range(len(before), len(after)):
            yield Change(f"{path}[{index}]", "added", after=shown(after[index]))
    elif not _same(before, after):
        yield Change(path, "changed", shown(before), shown(after), types=_types(before, after))


def shown(value: Any) -> Any:
    """Return a value as JSON, or as much of its text as a line has."""
    found = to_json(value)
    return (
        short(found if isinstance(found, str) else str(found))
        if isinstance(found, (dict, list, str))
        else found
    )


def _by_typed_key(value: dict[Any, Any]) -> dict[Any, tuple[Any, Any]]:
    """Return keys and values by what tells 1 and True apart."""
    return {(type(key), key): (key, item) for key, item in value.items()}


def _below(path: str, key: Any) -> str:
    """Return the path of a key: quoted where it would read as a path itself, in brackets where it is no text."""
    if not isinstance(key, str):
        return f"{path}[{key!r}]"
    name = (
        key if key and not set(key) & _SPECIAL else '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'
    )
    return f"{path}.{name}" if path else name


def _parts(before: Part, after: Part, path: str) -> Iterator[Change | None]:
    if before.key == after.key and not before.key.startswith("array"):
        return
    left, right = before.read(), after.read()
    if "closed" in (left.kind, right.kind):
        yield None if before.format == after.format else Change(path, "changed", before.format, after.format)
        return
    found = compare_opened(left, right)
    if not found.is_equal or before.format != after.format:
        yield Change(path, "changed", f"<{before.format}>", f"<{after.format}> {_told(found)}".rstrip())


def _told(found: Any) -> str:
    """Return the figures of a comparison, and what differs beside the cells of tables."""
    facts = [f"{name} {value}" for name, value in found.facts.items() if not isinstance(value, (dict, list))]
    return short(", ".join([*facts, *(change.where for change in found.changes[:3])]))


def _sets(before: Any, after: Any, path: str) -> Iterator[Change]:
    left, right = ({_typed(item): item for item in side} for side in (before, after))
    yield from (Change(f"{path}{{}}", "removed", before=shown(left[key])) for key in left if key not in right)
    yield from (Change(f"{path}{{}}", "added", after=shown(right[key])) for key in right if key not in left)


def _typed(value: Any) -> str:
    """Return text that two members of sets share only if they are of one type and equal."""
    return f"{type(value).__name__} {value!r}"


def _same(before: Any, after: Any) -> bool:
    """Say whether two values without parts are the same: 0.0 and -0.0, or one moment in two zones, are not."""
    if type(before) is not type(after):
        return False
    if isinstance(before, Instance):
        return bool(before == after)
    return repr(before) == repr(after)


def _types(before: Any, after: Any) -> tuple[str, ...]:
    """Return the types of two values where they are what differs, or a part of it."""
    if before is None or after is None:
        return ()
    kinds = tuple(
        value.format
        if isinstance(value, Part)
        else value.name
        if isinstance(value, Instance)
        else type(value).__name__
        for value in (before, after)
    )
    if kinds[0] == kinds[1] and isinstance(before, Instance) and isinstance(after, Instance):
        return (before.origin, after.origin)
    return kinds if kinds[0] != kinds[1] else ()
