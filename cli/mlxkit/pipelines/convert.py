"""Values from outside: how text of the command line and data of a file become the annotated type."""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime
import enum
import inspect
import json
import pathlib
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, Union

from ..errors import UsageError, did_you_mean
from .annotations import a_name, annotations_of, bare, misfit, no_choice, shown

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_ANYTHING = (inspect.Parameter.empty, Any, object)
_DATA = (type(None), bool, int, float, str, list, dict)  # what YAML and JSON can say


def convert(text: str | None, annotation: Any, where: str) -> Any:
    """Turn text into what an annotation asks for; without one, JSON when it is JSON, else the text itself.

    No text is a flag without a value. Raises UsageError, beginning with `where`, for text that does not fit.
    """
    if text is None:
        target = bare(annotation)
        if target is bool or target in _ANYTHING or bool in map(bare, typing.get_args(target)):
            return True
        raise UsageError(f"{where} needs a value (it is {a_name(annotation)})")
    return _read(text, annotation, where, is_typed=True)


def fit(value: Any, annotation: Any, where: str) -> Any:
    """Check data from a file against an annotation; text in it becomes what a file has no notation for.

    What a file cannot hold came from Python code and is left alone. Raises UsageError for data that does not fit.
    """
    return _read(value, annotation, where, is_typed=False)


def _read(value: Any, annotation: Any, where: str, *, is_typed: bool) -> Any:
    """Read one value; `is_typed` says that it is bare words, in which a 3 may be a number as well as text."""
    if type(value) not in _DATA:
        return value
    annotation = bare(annotation)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    target = origin or annotation
    if origin in (Union, types.UnionType):
        return _first_that_fits(value, annotation, where, is_typed)
    if origin is Literal:
        return _literal(value, arguments, where)
    if target in _SCALARS:
        return _scalar(value, annotation, where, *_SCALARS[target])
    if target in _SEQUENCES:
        return _sequence(value, annotation, where)
    if target in _MAPPINGS or _is_typed_dict(target):
        return _mapping(value, annotation, where)
    if isinstance(target, type):
        for is_such, read in _CLASSES:
            if is_such(target):
                return read(value, target, where)
    return _guess(value) if is_typed else value


def _first_that_fits(value: Any, annotation: Any, where: str, is_typed: bool) -> Any:
    members = [bare(item) for item in typing.get_args(annotation)]
    if type(value) is str and str in members:
        is_list = value.lstrip().startswith("[")
        members = [item for item in members if item is not bytes and (is_list or not _is_sequence(item))]
        if not is_typed:  # a file writes numbers and null as such: its text is none of them
            members = [item for item in members if item not in (bool, int, float, type(None))]
    # what the value is already comes first; what takes any text is asked last, str after all others
    members.sort(
        key=lambda item: (
            item is not type(value) or item is str,
            item in (str, bytes) or item in _ANYTHING,
            type(value) is str and _is_sequence(item),
            item is not type(None),
        )
    )
    told: list[UsageError] = []
    for member in members:
        try:
            return _read(value, member, where, is_typed=is_typed)
        except UsageError as error:
            if member is not type(None):
                told.append(error)
    if len(told) == 1:
        raise told[0]
    raise misfit(value, annotation, where)


def _literal(value: Any, choices: Sequence[Any], where: str) -> Any:
    for item in choices:
        if type(item) is type(value) and item == value:
            return item
    for item in choices:
        if type(value) is str and value in _words_for(item):
            return item
    raise no_choice(value, [_words_for(item)[0] for item in choices], where)


def _words_for(item: Any) -> tuple[str, ...]:
    if isinstance(item, enum.Enum):
        return item.name, str(item.value)
    if isinstance(item, bool) or item is None:
        return str(item), str(item).lower()
    return (str(item),)


def _enum(value: Any, target: Any, where: str) -> Any:
    members: Mapping[str, enum.Enum] = target.__members__
    if type(value) is str and value in members:
        return members[value]
    for item in members.values():
        if type(item.value) is type(value) and item.value == value:
            return item
    for item in members.values():
        if type(value) is str and value == str(item.value):
            return item
    raise no_choice(value, list(members), where)


def _scalar(
    value: Any, annotation: Any, where: str, read: Callable[[str], Any], takes: tuple[type, ...]
) -> Any:
    try:
        if type(value) is str:
            return read(value)
        if type(value) in takes:
            return float(value) if annotation is float else value
    except (ValueError, TypeError, OverflowError):
        pass
    raise misfit(value, annotation, where)


def _number_like(value: Any, target: type, where: str) -> Any:
    """Make what its own class reads from text: a Decimal from a number of the file by its digits."""
    if type(value) is str or (type(value) in (int, float) and target.__name__ != "UUID"):
        try:
            return target(str(value).strip())
        except (ValueError, ArithmeticError):
            pass
    raise misfit(value, target, where)


def _path(value: Any, target: type, where: str) -> Any:
    if type(value) is not str:
        raise misfit(value, target, where)
    return target(value)


def _sequence(value: Any, annotation: Any, where: str) -> Any:
    elements = [item for item in typing.get_args(annotation) if item is not Ellipsis]
    make = _SEQUENCES[typing.get_origin(annotation) or annotation]
    is_typed = False
    if type(value) is str:
        items = _from_json(value, "[{")
        if items is None:
            items = [word.strip() for word in value.split(",")] if value.strip() else []
            is_typed = True
    else:
        items = value
    if type(items) is not list:
        raise misfit(value, annotation, where)
    if make is tuple and elements and Ellipsis not in typing.get_args(annotation):
        if len(items) != len(elements):
            raise UsageError(
                f"{where}: {shown(value)} is not {a_name(annotation)}: {len(items)} items, not {len(elements)}"
            )
    else:
        elements = (elements or [Any]) * len(items)
    read = [
        _read(item, element, f"{where}[{index}]", is_typed=is_typed)
        for index, (item, element) in enumerate(zip(items, elements, strict=True))
    ]
    try:
        return make(read)
    except TypeError:  # a set of what cannot be hashed
        raise misfit(value, annotation, where) from None


def _mapping(value: Any, annotation: Any, where: str) -> dict[Any, Any]:
    given = _from_json(value, "{") if type(value) is str else value
    if type(given) is not dict:
        raise misfit(value, annotation, where)
    if _is_typed_dict(annotation):
        hints = annotations_of(annotation)
        return {
            key: _read(item, hints.get(key, Any), f"{where}.{key}", is_typed=False)
            for key, item in given.items()
        }
    keys, values = typing.get_args(annotation) or (Any, Any)
    return {
        _read(key, keys, f"{where}: key", is_typed=False): _read(
            item, values, f"{where}.{key}", is_typed=False
        )
        for key, item in given.items()
    }


def _fields(value: Any, target: Any, where: str) -> Any:
    """Make an object of a dataclass, an attrs class or a named tuple from a map of its fields."""
    given = _from_json(value, "{") if type(value) is str else value
    if type(given) is not dict:
        raise misfit(value, target, where, " (a map of its fields; on the command line a JSON object)")
    parameters = inspect.signature(target).parameters
    for name in given:
        if name not in parameters:
            raise UsageError(
                f"{where}: {target.__name__} has no field {name!r}{did_you_mean(name, parameters)}; its fields: {', '.join(parameters)}"
            )
    missing = [name for name, item in parameters.items() if item.default is item.empty and name not in given]
    if missing:
        raise UsageError(f"{where}: {target.__name__} needs a value for {', '.join(missing)}")
    hints = annotations_of(target)
    fields = {
        name: _read(item, hints.get(name, Any), f"{where}.{name}", is_typed=False)
        for name, item in given.items()
    }
    try:
        return target(**fields)
    except Exception as error:  # what the class itself refuses
        raise UsageError(f"{where}: {error}") from error


def _model(value: Any, target: Any, where: str) -> Any:
    """Let a pydantic model read a map of its fields."""
    given = _from_json(value, "{") if type(value) is str else value
    if type(given) is not dict:
        raise misfit(value, target, where, " (a map of its fields; on the command line a JSON object)")
    try:
        return (getattr(target, "model_validate", None) or target.parse_obj)(given)
    except ValueError as error:
        problems = error.errors() if hasattr(error, "errors") else []
        told = [f"{'.'.join(map(str, item['loc'])) or target.__name__}: {item['msg']}" for item in problems]
        raise UsageError(f"{where}: {'; '.join(told) or error}") from error


def _bool(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered in _TRUE:
        return True
    if lowered in _FALSE:
        return False
    raise ValueError(text)


def _int(text: str) -> int:
    return int(text.replace("_", ""), 10)


def _none(text: str) -> None:
    if text.lower() not in ("", "none", "null"):
        raise ValueError(text)


def _bytes(text: str) -> bytes:
    return text.encode(
        "utf-8", "surrogateescape"
    )  # bytes of the command line that are not UTF-8 stay as they are


def _datetime(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(_utc(text))


def _time(text: str) -> datetime.time:
    return datetime.time.fromisoformat(_utc(text))


def _utc(text: str) -> str:
    return text[:-1] + "+00:00" if text[-1:] in ("Z", "z") else text  # Python 3.10 does not read the Z


_SCALARS: dict[Any, tuple[Callable[[str], Any], tuple[type, ...]]] = {
    bool: (_bool, (bool,)),
    int: (_int, (int,)),
    float: (float, (float, int)),
    str: (str, (str,)),
    bytes: (_bytes, ()),
    type(None): (_none, (type(None),)),
    datetime.date: (datetime.date.fromisoformat, ()),
    datetime.datetime: (_datetime, ()),
    datetime.time: (_time, ()),
}
_SEQUENCES: dict[Any, Callable[[Iterable[Any]], Any]] = {
    list: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Collection: list,
    collections.abc.Iterable: list,
    collections.abc.Set: set,
    collections.abc.MutableSet: set,
}
_MAPPINGS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_FROM_TEXT = (
    "decimal.Decimal",
    "uuid.UUID",
    "fractions.Fraction",
    "builtins.complex",
)  # by name: not imported


def _is_sequence(annotation: Any) -> bool:
    return (typing.get_origin(annotation) or annotation) in _SEQUENCES


def _is_typed_dict(target: Any) -> bool:
    return isinstance(target, type) and dict in target.__mro__ and hasattr(target, "__total__")


_CLASSES: tuple[tuple[Callable[[Any], bool], Callable[[Any, Any, str], Any]], ...] = (
    (lambda target: issubclass(target, enum.Enum), _enum),
    (lambda target: issubclass(target, pathlib.PurePath), _path),
    (lambda target: f"{target.__module__}.{target.__qualname__}" in _FROM_TEXT, _number_like),
    (lambda target: hasattr(target, "model_validate") or hasattr(target, "parse_obj"), _model),
    (lambda target: dataclasses.is_dataclass(target) or hasattr(target, "__attrs_attrs__"), _fields),
    (lambda target: issubclass(target, tuple) and hasattr(target, "_fields"), _fields),
)


def _guess(value: Any) -> Any:
    if type(value) is not str:
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return {"True": True, "False": False, "None": None}.get(value, value)


def _from_json(text: str, openers: str) -> Any:
    """Return what JSON text holds; None when it does not begin like it, or is not."""
    if text.lstrip()[:1] not in tuple(openers):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
