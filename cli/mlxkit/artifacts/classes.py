"""Names of classes in stored content: how a class is written down and found again."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any, get_args

from .errors import ArtifactUnreadableError


def type_name(kind: type) -> str:
    """Return the qualified name of a type, for people; builtins without their module."""
    name = getattr(kind, "__qualname__", kind.__name__)
    return name if kind.__module__ == "builtins" else f"{kind.__module__}.{name}"


def root_module(kind: type) -> str:
    """Return the top-level module a type comes from, without importing anything."""
    return str(kind.__module__).partition(".")[0]


def has_base(kind: type, module: str, name: str) -> bool:
    """Say whether a type derives from a class that is known only by its name."""
    return any(base.__name__ == name and root_module(base) == module for base in kind.__mro__)


def reference(kind: type) -> str | None:
    """Return `module:qualname`, or None when that would not lead back to the class."""
    return f"{kind.__module__}:{kind.__qualname__}" if is_found(kind) else None


def is_found(item: Any) -> bool:
    """Say whether a class or function is what its module has under its name."""
    return _walk(sys.modules.get(item.__module__), item.__qualname__) is item


def find(text: str, known: Mapping[str, type] | None = None) -> type:
    """Return the class behind `module:qualname`.

    The file that was run is `__main__` in one process and a module in the next, so a class of `__main__`
    is first looked for among `known`: classes by qualified name that the caller declares.
    """
    module_name, _, qualname = text.partition(":")
    if module_name == "__main__":
        declared = (known or {}).get(qualname)
        found = declared if declared is not None else _walk(sys.modules.get("__main__"), qualname)
        if isinstance(found, type):
            return found
        raise ArtifactUnreadableError(
            f"the value is a {qualname!r} of the script that stored it, and this program defines no such class",
            hint=f"read it from that script, or move {qualname!r} into a module",
        )
    try:
        module = import_module(module_name)
    except ImportError as error:
        raise ArtifactUnreadableError(f"the value needs {module_name!r}: {error}") from error
    found = _walk(module, qualname)
    if not isinstance(found, type):
        raise ArtifactUnreadableError(
            f"the value is a {qualname!r}, which module {module_name!r} no longer has"
        )
    return found


def find_by_type_name(name: str, known: Mapping[str, type] | None = None) -> type:
    """Return the class behind what `type_name` gave, `object` when it cannot be found any more."""
    parts = name.split(".")
    for split in range(len(parts) - 1, 0, -1):
        try:
            return find(f"{'.'.join(parts[:split])}:{'.'.join(parts[split:])}", known)
        except ArtifactUnreadableError:
            continue
    found = getattr(builtins, name, object)
    return found if isinstance(found, type) else object


def classes_in(declared: Any) -> dict[str, type]:
    """Return the classes that an annotation names, by qualified name: `list[Config] | None` gives `Config`."""
    return {kind.__qualname__: kind for kind in _classes(declared) if kind.__module__ != "builtins"}


def _classes(declared: Any) -> Iterable[type]:
    if isinstance(declared, type):
        yield declared
    for argument in get_args(declared):
        yield from _classes(argument)


def _walk(module: Any, qualname: str) -> Any:
    found = module
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found
