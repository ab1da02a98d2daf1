"""The values that a step reaches: each by its state, whatever holds it."""

from __future__ import annotations

import marshal
import os
from types import FunctionType
from typing import TYPE_CHECKING, Any

from ...artifacts import classes
from . import normal
from .changes import INCOMPARABLE
from .live import functions_in, held_by, is_written_in
from .parts import sha
from .scopes import names_of
from .sources import SourceFile
from .state import ATOMS, State, TooMuchError

if TYPE_CHECKING:
    from .reach import Reach


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

        What counts by its type only, as a lock or a logger does, also counts by the source of the statement
        that binds it when there is one. What cannot be looked into is never equal to anything, itself included.
        """
        label = f"constant {module}.{name}"
        parts = self._reach.parts
        if type(value) in ATOMS:
            if type(value) is str:
                value = self._reach.parts.places.portable(value)
            digest = sha(f"{type(value).__name__} {hex(value) if type(value) is int else repr(value)}")
            parts.add(label, digest)
            return digest
        if not parts.is_new(("constant", label, id(value)), value):
            return parts.found.get(label, "")
        state = State(self._reach, module, name)
        text = self._text(state, value)
        if state.unknown or state.too_much:
            digest = _incomparable(value, state)
        else:
            if state.handles and source is not None and name in source.bindings:
                statements = source.bindings[name]
                text += "".join(normal.text(statement, source.is_noise) for statement in statements)
                self._reach.unloaded.follow(names_of(statements), source, module)
            digest = sha(text)
        parts.add(label, digest)
        return digest

    def of_class(self, kind: type, where: str, source: SourceFile | None) -> tuple[str, str]:
        """Return the state of a class itself, and why it cannot be compared when it cannot.

        Methods count with the source of the class, unless they are from elsewhere. Without source they all do.
        """
        state = State(self._reach, where, kind.__qualname__)
        found: list[str] = []
        is_enum = classes.has_base(kind, "enum", "Enum")
        for name, item in sorted(vars(kind).items()):
            is_private = name.startswith("__") and name.endswith("__")
            if is_enum and name.startswith("_"):
                continue  # what an enumeration remembers about itself, as the combinations that were asked for
            functions = functions_in(item)
            if functions:
                if is_private and not all(map(self._is_typed, functions)):
                    continue  # made by a decorator such as @dataclass
                if source is None:
                    continue
                if all(is_written_in(function, kind, source) for function in functions):
                    item = [held for function in functions for held in held_by(function)]
                    if not item:
                        continue
            elif is_private or self._is_foreign_descriptor(item):
                continue
            found.append(f"{name}={self._text(state, item)}")
        return ";".join(found), _incomparable(kind, state) if state.unknown or state.too_much else ""

    def _is_typed(self, function: FunctionType) -> bool:
        """Say whether a function is written in a file of the project."""
        file = function.__code__.co_filename
        return (
            not file.startswith("<")
            and self._reach.parts.places.owner(file, function.__module__) == "project"
        )

    def _is_foreign_descriptor(self, item: Any) -> bool:
        """Say whether a package manages an attribute with this, as a mapper does with its columns."""
        return hasattr(type(item), "__get__") and self._reach.owner_of(type(item)) == "package"

    def _text(self, state: State, value: Any) -> str:
        try:
            return state.text(value)
        except (TooMuchError, RecursionError):
            try:
                return sha(marshal.dumps(value, 2))  # of plain containers only; much faster than we are
            except ValueError:
                state.too_much.append(value)
        except Exception:  # an object that refuses to be looked at must not stop a run
            state.unknown.append(value)
        return ""


def _incomparable(value: Any, state: State) -> str:
    """Return a digest that no other is equal to, and that says what it is that nobody can look into."""
    if state.too_much:
        reason = "holds too much to look at"
    else:
        part = state.unknown[0]
        reason = f"{'is' if part is value else 'holds'} a {classes.type_name(type(part))}"
    return f"{INCOMPARABLE}{reason} {os.urandom(16).hex()}"
