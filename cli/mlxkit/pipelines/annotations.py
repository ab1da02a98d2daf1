"""Annotations: read them, see through them, and name them to people."""

from __future__ import annotations

import collections.abc
import json
import sys
import types
import typing
from collections.abc import Sequence
from typing import Any, Literal, Union

from ..errors import UsageError, did_you_mean

_IN_QUOTES = "text that looks like a number, a yes or a no is written in quotes"


def annotations_of(target: Any) -> dict[str, Any]:
    """Return the annotations of a function or a class by name, those that can be evaluated."""
    try:
        return typing.get_type_hints(target, include_extras=True)
    except Exception:  # a name only known to type checkers: leave those out that speak of it
        found = {}
        for name, annotation in _raw(target).items():
            alone = types.SimpleNamespace(__annotations__={name: annotation})
            known = getattr(target, "__globals__", None) or vars(sys.modules[target.__module__])
            try:
                found.update(typing.get_type_hints(alone, known, include_extras=True))
            except Exception:  # noqa: S112 - this one is left unchecked
                continue
        return found


def _raw(target: Any) -> dict[str, Any]:
    try:
        return dict(getattr(target, "__annotations__", {}))
    except NameError:  # evaluated when asked for, from Python 3.14 on
        return {}


def bare(annotation: Any) -> Any:
    """Strip what says nothing of the value: Annotated, NewType, a name for a type; what is no type says nothing at all."""
    while True:
        origin = typing.get_origin(annotation)
        if origin is typing.Annotated or getattr(origin, "_name", "") in ("Required", "NotRequired", "Final"):
            annotation = typing.get_args(annotation)[0]
        elif isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        else:
            return annotation if isinstance(annotation, collections.abc.Hashable) else Any


def misfit(value: Any, annotation: Any, where: str, more: str = "") -> UsageError:
    """Say that a value is not what an annotation asks for."""
    return UsageError(
        f"{where}: {shown(value)} is not {a_name(annotation)}{more}",
        hint=_IN_QUOTES if annotation is str and type(value) in (bool, int, float) else None,
    )


def no_choice(value: Any, names: Sequence[str], where: str) -> UsageError:
    """Say that a value is none of those there are."""
    near = did_you_mean(value, names) if type(value) is str else ""
    return UsageError(
        f"{where}: {shown(value)} is not one of {', '.join(names)}{near}",
        hint=_IN_QUOTES if type(value) is bool else None,
    )


def shown(value: Any) -> str:
    """Return a value as a message quotes it."""
    text = json.dumps(value) if value is None or type(value) is bool else repr(value)
    return text if len(text) <= 100 else f"{text[:99]}…"


def a_name(annotation: Any) -> str:
    """Return the name of an annotation with its article."""
    name = name_of(annotation)
    return (
        f"{'an' if name[:1] in 'aeioAEIO' else 'a'} {name}"  # a UUID, a User: names in u are spoken with a y
    )


def name_of(annotation: Any) -> str:
    """Return an annotation as people write it."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return name_of(arguments[0])
    if annotation is type(None):
        return "None"
    if annotation is Ellipsis:
        return "..."
    if origin in (Union, types.UnionType):
        return " | ".join(map(name_of, arguments))
    if origin is not None:
        inside = map(repr if origin is Literal else name_of, arguments)
        return f"{name_of(origin)}[{', '.join(inside)}]"
    return getattr(annotation, "__name__", None) or str(annotation).replace("typing.", "")
