"""Parameters of a pipeline or a step: where they come from, and how they reach the function."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from ..dataclass import dataclass
from ..errors import UsageError, did_you_mean
from .annotations import annotations_of as annotations_of
from .convert import convert, fit

_NAMED = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.KEYWORD_ONLY,
)


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

    What goes to `**kwargs` stands under its own names. Raises UsageError for an unknown or missing name, or a value that
    does not fit its annotation; values of the call itself are Python's own matter.
    """
    signature = _Signature(function, owner)
    values = signature.by_name(args, kwargs)
    for name, item in {**config, **overrides}.items():
        values[name] = signature.read(name, item)
    missing = [
        p.name
        for p in signature.parameters.values()
        if p.default is p.empty and p.kind in _NAMED and p.name not in values
    ]
    if missing:
        raise UsageError(
            f"{owner} needs a value for {', '.join(missing)}",
            hint=" ".join(f"-p {name}=VALUE" for name in missing),
        )
    for parameter in signature.parameters.values():
        if parameter.default is not parameter.empty:
            values.setdefault(parameter.name, parameter.default)
    return values


def call_arguments(
    function: Callable[..., Any], values: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Return the positional and keyword arguments that pass values by name to a function, as `bind` returns them."""
    return _Signature(function, "").call(values)


def override_arguments(
    function: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    overrides: Mapping[str, Any],
    *,
    owner: str,
) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments of a call with those of a file in place of its own, however they were passed.

    Raises UsageError for a name that the function does not have, or a value that does not fit its annotation.
    """
    if not overrides:
        return list(args), dict(kwargs)
    signature = _Signature(function, owner)
    values = signature.by_name(args, kwargs)
    for name, item in overrides.items():
        values[name] = signature.read(name, item)
    return signature.call(values)


class _Signature:
    """The parameters of a function, and who asks for them."""

    def __init__(self, function: Callable[..., Any], owner: str) -> None:
        self._signature = inspect.signature(function)
        self._function = function
        self._owner = owner
        self.parameters = self._signature.parameters
        kinds = {p.kind: p.name for p in self.parameters.values()}
        self._rest = kinds.get(inspect.Parameter.VAR_POSITIONAL)
        self._others = kinds.get(inspect.Parameter.VAR_KEYWORD)

    @cached_property
    def _hints(self) -> dict[str, Any]:
        return annotations_of(self._function)

    def by_name(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of a call by name; those that go to `**kwargs` stand beside the others."""
        try:
            values = dict(self._signature.bind_partial(*args, **kwargs).arguments)
        except TypeError as error:
            raise UsageError(f"{self._owner}: {error}") from None
        others = values.pop(self._others, {}) if self._others else {}
        hidden = {name: item for name, item in others.items() if name in self.parameters}
        values.update({name: item for name, item in others.items() if name not in hidden})
        if hidden:  # `def p(a, /, **others)` may be called with another a
            values[str(self._others)] = hidden
        return values

    def read(self, name: str, item: Any) -> Any:
        """Return a value of the command line (Text) or of a file as the type of the parameter it is for."""
        parameter = self.parameters.get(name)
        if name == self._others or (parameter is None and self._others is None):
            accepted = [key for key in self.parameters if key != self._others]
            raise UsageError(
                f"{self._owner} has no parameter {name!r}{did_you_mean(name, accepted)}; its parameters: {', '.join(accepted) or 'none'}",
                hint="mlx run --help, for what is no parameter" if isinstance(item, Text) else None,
            )
        annotation = self._hints.get(name if parameter else str(self._others), inspect.Parameter.empty)
        if name == self._rest:
            annotation = types.GenericAlias(tuple, (_or_any(annotation), ...))
        where = f"{self._owner}: {name}"
        if isinstance(item, Text):
            return convert(item.value, _or_of_default(annotation, parameter), where)
        if item is None and parameter is not None and parameter.default is None:
            return None  # `x: int = None`
        return fit(item, _or_of_default(annotation, parameter) if type(item) is str else annotation, where)

    def call(self, values: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Return the arguments that pass values by name."""
        rest = list(values.get(self._rest, ())) if self._rest else []
        args: list[Any] = []
        kwargs = dict(values.get(self._others, {})) if self._others else {}
        kwargs.update({name: item for name, item in values.items() if name not in self.parameters})
        is_in_row = True  # an argument can only be passed by position when all before it are
        for parameter in self.parameters.values():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            value = values.get(parameter.name, parameter.default)
            by_position = parameter.kind is parameter.POSITIONAL_ONLY or (
                bool(rest) and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
            )
            if by_position:
                is_in_row = is_in_row and value is not parameter.empty
                args.extend([value] if is_in_row else [])
            elif parameter.name in values:
                kwargs[parameter.name] = value
        return [*args, *(rest if is_in_row else [])], kwargs


def _or_any(annotation: Any) -> Any:
    return Any if annotation is inspect.Parameter.empty else annotation


def _or_of_default(annotation: Any, parameter: inspect.Parameter | None) -> Any:
    """Let the default say what text becomes where no annotation does."""
    if annotation is not inspect.Parameter.empty or parameter is None:
        return annotation
    if parameter.default in (None, inspect.Parameter.empty):
        return inspect.Parameter.empty
    return type(parameter.default)


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
