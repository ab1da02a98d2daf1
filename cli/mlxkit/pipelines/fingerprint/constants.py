"""The values that a step reaches: plain ones by content, others by their type and the statement that made them."""

from __future__ import annotations

from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from ...artifacts import classes, plain
from ...artifacts.digests import canonical, content_digest
from ...artifacts.errors import UnstorableOutputError
from ...artifacts.materializers.formats import format_of
from . import normal
from .parts import sha
from .scopes import names_of
from .sources import SourceFile

if TYPE_CHECKING:
    from .reach import Reach

_LARGEST = 100_000
_LARGEST_ARRAY = 256 << 20
_CONTAINERS = (dict, list, tuple, set, frozenset)
_CODE = (FunctionType, type, ModuleType, MethodType, BuiltinFunctionType)


def wrapped_by(value: Any) -> Any:
    """Return what a decorator put its own object around, None for everything else; `__getattr__` is not asked."""
    try:
        found = object.__getattribute__(value, "__dict__").get("__wrapped__")
        if found is None and any("__wrapped__" in base.__dict__ for base in type(value).__mro__):
            found = value.__wrapped__
    except Exception:  # an object that refuses to be looked at
        return None
    return found


class Constants:
    """Adds `constant` parts to a walk."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    def add(self, module: str, name: str, value: Any, source: SourceFile | None) -> str:
        """Add a value under its name and return its digest.

        A lock, a logger, a model or ten million numbers have no cheap content: they count by their type, and
        by the source of the statement that binds them when there is one.
        """
        label = f"constant {module}.{name}"
        if not self._reach.parts.is_new(("constant", label, id(value)), value):
            return self._reach.parts.found.get(label, "")
        opaque: list[Any] = []

        def leaf(part: Any) -> Any:
            if issubclass(type(part), _CODE) or wrapped_by(part) is not None:
                return {plain.TAG: "name", "v": self._reach.value(module, name, part)}
            content = self._content(part)
            if content is not None:
                return content
            opaque.append(part)
            self._reach.class_(type(part))
            return {plain.TAG: "opaque", "v": classes.type_name(type(part))}

        if _is_large(value):
            opaque.append(value)
            text = f"{classes.type_name(type(value))} of {len(value)}"
        else:
            try:
                text = canonical(value, leaf)
            except Exception:  # an object that refuses to be looked at must not stop a run
                opaque.append(value)
                text = classes.type_name(type(value))
            self._classes(value)
        if opaque and source is not None and name in source.bindings:
            statements = source.bindings[name]
            text += "".join(normal.text(statement, source.is_noise) for statement in statements)
            self._reach.unloaded.follow(names_of(statements), source, module)
        digest = sha(text)
        self._reach.parts.add(label, digest)
        return digest

    def _content(self, part: Any) -> Any:
        """Return the digest of an array or a table, None for everything else."""
        row = format_of(part)
        if row is None or _bytes_of(part) > _LARGEST_ARRAY:
            return None
        try:
            return content_digest(part)
        except UnstorableOutputError:
            return None

    def _classes(self, value: Any) -> None:
        """Add the classes of the project whose instances a value holds: their methods are code, too."""
        kind = type(value)
        if issubclass(kind, dict):
            for item in value.values():
                self._classes(item)
        elif issubclass(kind, _CONTAINERS):
            for item in value:
                self._classes(item)
        if kind.__module__ != "builtins":
            self._reach.class_(kind)
            for name in classes.fields_of(kind) or ():
                self._classes(getattr(value, name, None))


def _bytes_of(value: Any) -> int:
    for name in ("nbytes", "memory_usage", "estimated_size"):
        found = getattr(value, name, None)
        if isinstance(found, int):
            return found
        if callable(found):
            counted = found()
            return int(counted.sum() if hasattr(counted, "sum") else counted)
    return 0


def _is_large(value: Any) -> bool:
    """Say whether a container holds so much that looking at it would cost more than it saves."""
    left = _LARGEST
    queue = [value]
    while queue:
        item = queue.pop()
        if issubclass(type(item), dict):
            queue.extend(part for part in item.values() if issubclass(type(part), _CONTAINERS))
        elif issubclass(type(item), _CONTAINERS):
            queue.extend(part for part in item if issubclass(type(part), _CONTAINERS))
        else:
            continue
        left -= len(item)
        if left < 0:
            return True
    return False
