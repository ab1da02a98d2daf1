"""Whether a value is of the type that a step declares for it."""

from __future__ import annotations

import types
import typing
from typing import Any

from . import classes
from .errors import OutputTypeError


class Undeclared:
    """The annotation of what has none."""


def check(value: Any, declared: Any) -> None:
    """Raise OutputTypeError when a value is clearly not of the declared type; in doubt it is."""
    if not accepts(value, declared):
        raise OutputTypeError(f"declared {_shown(declared)}, got {classes.type_name(type(value))}")


def accepts(value: Any, declared: Any) -> bool:
    """Say whether a value can be of a declared type. Only the outermost type is looked at, not what is in a list."""
    if declared is None or declared is type(None):
        return value is None
    origin = typing.get_origin(declared)
    if origin is typing.Annotated:
        return accepts(value, typing.get_args(declared)[0])
    if origin is typing.Union or origin is types.UnionType:
        return any(accepts(value, option) for option in typing.get_args(declared))
    if origin is typing.Literal:
        return any(value == option and type(value) is type(option) for option in typing.get_args(declared))
    if isinstance(declared, typing.NewType):
        return accepts(value, declared.__supertype__)
    wanted = origin if origin is not None else declared
    if not isinstance(wanted, type) or wanted is Undeclared or classes.type_name(wanted) == "inspect._empty":
        return True  # Any, a type variable, text that was never resolved, a library's own notation
    return _is_instance(value, wanted)


def _is_instance(value: Any, wanted: type) -> bool:
    kind = type(value)
    try:
        if typing.is_typeddict(wanted):
            return isinstance(value, dict)
        if isinstance(value, wanted):
            return True
    except Exception:
        return True  # a protocol that cannot be asked, a class that checks more than its type
    if wanted in _NUMBERS and _kind_of_number(value) in _NUMBERS[wanted]:
        return True
    if getattr(wanted, "_is_protocol", False):
        return True
    # A typed variant of a library's class (`pandera.typing.DataFrame`) stands for the class itself.
    return wanted.__module__ != "builtins" and kind is not object and issubclass(wanted, kind)


_NUMBERS = {bool: "b", int: "biu", float: "biuf", complex: "biufc"}


def _kind_of_number(value: Any) -> str:
    """Return NumPy's letter for the kind of a scalar, Python's own and NumPy's alike."""
    if isinstance(value, bool):
        return "b"
    if isinstance(value, int):
        return "i"
    if isinstance(value, float):
        return "f"
    if isinstance(value, complex):
        return "c"
    return str(value.dtype.kind) if classes.has_base(type(value), "numpy", "generic") else "-"


def _shown(declared: Any) -> str:
    return (
        classes.type_name(declared)
        if isinstance(declared, type) and not typing.get_args(declared)
        else str(declared)
    )
