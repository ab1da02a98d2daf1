"""What cannot be meant by `@step` or `@pipeline`, said when it is decorated and with the user's line."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ..errors import MlxError, UsageError, did_you_mean
from .tracebacks import is_ours

T = TypeVar("T")


class DeclarationError(UsageError, TypeError):
    """A decorator was given what makes no sense; also a TypeError, as which Python itself would say it."""


def declared(make: Callable[..., T], function: Any, options: Mapping[str, Any], owner: str) -> T:
    """Make a step or pipeline of a function; whatever is wrong with it is told with the line of the decorator."""
    return placed(lambda: _made(make, function, options, owner))


def placed(make: Callable[[], T]) -> T:
    """Return what `make` returns; an error of ours that it raises gets the line of the user's that asked for it."""
    try:
        return make()
    except MlxError as error:
        line = line_of_the_user()
        if not line or error.message.startswith(line):
            raise
        raise type(error)(f"{line}: {error.message}", hint=error.hint) from None


def check_options(
    make: Callable[..., Any], options: Mapping[str, Any], owner: str, more: Iterable[str] = ()
) -> None:
    """Refuse options that a decorator does not have; `more` are names that are likewise there to be meant."""
    known = [
        name for name, item in inspect.signature(make).parameters.items() if item.kind is item.KEYWORD_ONLY
    ]
    for key in options:
        if key not in known:
            raise DeclarationError(
                f"{owner}: {key} is not supported by mlx{did_you_mean(key, [*known, *more])}"
            )


def check_hook(hook: Any, key: str, owner: str) -> Any:
    """Return a hook if it can be called."""
    if hook is not None and not callable(hook):
        raise DeclarationError(f"{owner}: {key} takes a function, not {type(hook).__name__}")
    return hook


def check_materializers(value: Any, outputs: Sequence[str] | None, owner: str) -> None:
    """Refuse materializers for outputs that a step does not have (None: not known yet), and what is no materializer."""
    if value is None:
        return
    from ..artifacts.materializers.base import BaseMaterializer

    for kind in value.values() if isinstance(value, Mapping) else [value]:
        if kind is not None and not (isinstance(kind, type) and issubclass(kind, BaseMaterializer)):
            shown = kind.__name__ if isinstance(kind, type) else repr(kind)
            raise DeclarationError(
                f"{owner}: output_materializers: {shown} is no materializer: it has to be a subclass of BaseMaterializer"
            )
    if isinstance(value, Mapping) and outputs is not None:
        for name in value:
            if name not in outputs:
                raise DeclarationError(
                    f"{owner}: output_materializers: no output {name!r}{did_you_mean(str(name), outputs)}; "
                    f"its outputs: {', '.join(outputs)}"
                )


def _made(make: Callable[..., T], function: Any, options: Mapping[str, Any], owner: str) -> T:
    check_options(make.__init__ if isinstance(make, type) else make, options, owner)  # type: ignore[misc]
    return make(function, **options)


def line_of_the_user() -> str:
    """Return `file:line` of the nearest caller that is no code of ours; empty where there is no file."""
    frame = sys._getframe(1)
    while frame is not None and is_ours(frame.f_code.co_filename):
        if frame.f_back is None:
            return ""
        frame = frame.f_back
    path = Path(frame.f_code.co_filename)
    if str(path).startswith("<"):
        return ""
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return f"{path}:{frame.f_lineno}"
