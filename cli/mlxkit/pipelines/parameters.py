"""Parameters of a pipeline: where they come from, and how text becomes the annotated type."""

from __future__ import annotations

import enum
import inspect
import json
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union

from ..errors import UsageError, did_you_mean

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


@dataclass(frozen=True)
class Text:
    """A value that came as text and is still to be converted; a bare flag (`--shuffle`) holds None."""

    value: str | None


def parse_assignments(pairs: Sequence[str]) -> dict[str, Text]:
    """Read `name=value` pairs of `-p`."""
    found: dict[str, Text] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise UsageError(
                f"-p takes name=value, not {pair!r}", hint=f"mlx run FILE -p {name or 'name'}=VALUE"
            )
        found[_snake(name)] = Text(value)
    return found


def parse_flags(words: Sequence[str]) -> tuple[dict[str, Text], list[str]]:
    """Read `--lr 0.001 --shuffle --name=x` after FILE; returns them, and the words that belong to none."""
    found: dict[str, Text] = {}
    loose: list[str] = []
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if not word.startswith("--") or word == "--":
            loose.append(word)
            continue
        name, separator, value = word[2:].partition("=")
        if separator:
            found[_snake(name)] = Text(value)
        elif position < len(words) and not _is_flag(words[position]):
            found[_snake(name)] = Text(words[position])
            position += 1
        else:
            found[_snake(name)] = Text(None)
    return found, loose


def bind(
    function: Callable[..., Any],
    owner: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    *,
    config: Mapping[str, Any],
    overrides: Mapping[str, Text],
) -> dict[str, Any]:
    """Return every parameter of a call by name: the command line wins over run.yaml, that over the call, that over defaults.

    Raises UsageError for an unknown or missing name, or a value that does not fit its annotation.
    """
    signature = inspect.signature(function)
    accepted = [
        p.name
        for p in signature.parameters.values()
        if p.kind is not p.VAR_POSITIONAL and p.kind is not p.VAR_KEYWORD
    ]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    hints = annotations_of(function)
    try:
        bound = signature.bind_partial(*args, **kwargs)
    except TypeError as error:
        raise UsageError(f"{owner}: {error}") from None
    values = dict(bound.arguments)
    for name, item in {**config, **overrides}.items():
        if name not in accepted and not takes_any:
            listed = ", ".join(accepted) or "none"
            raise UsageError(
                f"{owner} has no parameter {name!r}{did_you_mean(name, accepted)}; its parameters: {listed}"
            )
        annotation = hints.get(name, _type_of_default(signature.parameters.get(name)))
        values[name] = convert(item.value, annotation, f"{owner}: {name}") if isinstance(item, Text) else item
    missing = [
        p.name
        for p in signature.parameters.values()
        if p.default is p.empty
        and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        and p.name not in values
    ]
    if missing:
        raise UsageError(
            f"{owner} needs a value for {', '.join(missing)}",
            hint=" ".join(f"-p {name}=VALUE" for name in missing),
        )
    for parameter in signature.parameters.values():
        if parameter.name not in values and parameter.default is not parameter.empty:
            values[parameter.name] = parameter.default
    return values


def convert(text: str | None, annotation: Any, where: str) -> Any:
    """Turn text into what an annotation asks for; without one, JSON when it is JSON, else the text itself."""
    if text is None:  # a flag without a value
        if annotation in (bool, inspect.Parameter.empty, Any) or bool in typing.get_args(annotation):
            return True
        raise UsageError(f"{where} needs a value (it is a {_name(annotation)})")
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return convert(text, arguments[0], where)
    if origin in (Union, types.UnionType):
        return _first_that_fits(text, arguments, annotation, where)
    if origin is Literal:
        return _literal(text, arguments, where)
    if annotation in (inspect.Parameter.empty, Any):
        return _guess(text)
    target = origin or annotation
    if target in _CONVERTERS:
        try:
            return _CONVERTERS[target](text)
        except (ValueError, TypeError):
            raise UsageError(f"{where}: {text!r} is not a {_name(annotation)}") from None
    if isinstance(target, type) and issubclass(target, enum.Enum):
        return _enum(text, target, where)
    return _guess(text)


def _is_flag(word: str) -> bool:
    return word.startswith("--") or (word.startswith("-") and len(word) > 1 and not _is_number(word))


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _snake(name: str) -> str:
    return name.replace("-", "_")


def annotations_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotations of a function by name, those that can be evaluated."""
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception:  # a name only known to type checkers: convert what can be
        return {key: value for key, value in function.__annotations__.items() if not isinstance(value, str)}


def _type_of_default(parameter: inspect.Parameter | None) -> Any:
    if parameter is None or parameter.default in (None, inspect.Parameter.empty):
        return inspect.Parameter.empty
    return type(parameter.default)


def _name(annotation: Any) -> str:
    return getattr(annotation, "__name__", None) or str(annotation).replace("typing.", "")


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


def _json_of(kind: type) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        value = (
            json.loads(text)
            if text.lstrip()[:1] in ("[", "{")
            else [_guess(item) for item in text.split(",")]
        )
        if kind is dict and not isinstance(value, dict):
            raise ValueError(text)
        return kind(value)

    return read


_CONVERTERS: dict[Any, Callable[[str], Any]] = {
    bool: _bool,
    int: _int,
    float: float,
    str: str,
    Path: Path,
    list: _json_of(list),
    tuple: _json_of(tuple),
    dict: _json_of(dict),
    type(None): _none,
}


def _guess(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return {"True": True, "False": False, "None": None}.get(text, text)


def _first_that_fits(text: str, arguments: Sequence[Any], annotation: Any, where: str) -> Any:
    # str takes anything, so it is asked last; None only stands for an empty word, `none` or `null`
    for candidate in sorted(arguments, key=lambda item: (item is str, item is not type(None))):
        try:
            return convert(text, candidate, where)
        except UsageError:
            continue
    raise UsageError(f"{where}: {text!r} is not a {_name(annotation)}")


def _literal(text: str, arguments: Sequence[Any], where: str) -> Any:
    for item in arguments:
        if str(item) == text:
            return item
    raise UsageError(
        f"{where}: {text!r} is not one of {', '.join(map(str, arguments))}{did_you_mean(text, map(str, arguments))}"
    )


def _enum(text: str, target: type[enum.Enum], where: str) -> enum.Enum:
    for item in target:
        if text in (item.name, str(item.value)):
            return item
    names = [item.name for item in target]
    raise UsageError(f"{where}: {text!r} is not one of {', '.join(names)}{did_you_mean(text, names)}")
