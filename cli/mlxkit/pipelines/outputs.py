"""The outputs of a step, read from its return annotation."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from ..errors import StepFailedError
from ..records import plain
from .declaring import DeclarationError

ANY = Any
DEFAULT = "output"


@dataclass(frozen=True, eq=False)
class ArtifactConfig:
    """What a step says of an output beside its type: `Annotated[T, ArtifactConfig(name="model", tags=["iris"])]`.

    `version` is a label to find this one by; it and everything else but the name is kept with the step that made it.
    """

    name: str | None = None
    version: str | int | None = None
    tags: Sequence[str] = ()
    run_metadata: Mapping[str, Any] = field(default_factory=dict)
    artifact_type: Any = None

    def notes(self) -> dict[str, Any]:
        """Return what is to be remembered of the output, as plain data."""
        said = {
            "version": None if self.version is None else str(self.version),
            "tags": list(self.tags or ()),
            "metadata": plain(dict(self.run_metadata or {})),
            "artifact_type": None if self.artifact_type is None else str(self.artifact_type),
        }
        return {key: value for key, value in said.items() if value}


@dataclass(frozen=True)
class Output:
    """One declared output: its name, its type (`ANY` when nothing was said), and what else was said of it."""

    name: str
    type: Any = ANY
    config: ArtifactConfig | None = None


def outputs_of(function: Callable[..., Any]) -> tuple[Output, ...]:
    """Return the outputs that a function declares.

    `-> T` is one output named `output`; `Annotated[T, "name"]` names it; `tuple[Annotated[...], ...]` and
    `tuple[A, B]` are several. No annotation is one output of any type, and `-> None` one that holds None.
    """
    try:
        annotation = _annotation(function)
    except Exception:  # a name only known to type checkers: any type, then
        annotation = ANY
    return _of(annotation, function)


def _of(returned: Any, function: Callable[..., Any]) -> tuple[Output, ...]:
    if typing.get_origin(returned) is tuple:
        arguments = typing.get_args(returned)
        if arguments and Ellipsis not in arguments:
            outputs = tuple(_one(item, f"output_{index}") for index, item in enumerate(arguments))
            names = [item.name for item in outputs]
            if len(set(names)) != len(names):
                raise DeclarationError(
                    f"step {getattr(function, '__name__', function)!r} names two outputs alike: {', '.join(names)}"
                )
            return outputs
    return (_one(returned, DEFAULT),)


def names_if_known(function: Callable[..., Any]) -> tuple[str, ...] | None:
    """Return the names of the outputs; None while the annotation speaks of what is not defined yet."""
    try:
        annotation = _annotation(function)
    except Exception:  # a name that is defined further down, or only known to type checkers
        return None
    return tuple(item.name for item in _of(annotation, function))


def split(step: str, outputs: tuple[Output, ...], returned: Any) -> list[Any]:
    """Split what a step returned into its declared outputs."""
    if len(outputs) == 1:
        return [returned]
    if not isinstance(returned, (tuple, list)):
        raise StepFailedError(
            f"step {step!r} declares {len(outputs)} outputs and returned one {type(returned).__name__}"
        )
    if len(returned) != len(outputs):
        raise StepFailedError(f"step {step!r} declares {len(outputs)} outputs and returned {len(returned)}")
    return list(returned)


def _annotation(function: Callable[..., Any]) -> Any:
    """Return what a function says that it returns; raises whatever its evaluation does."""
    function = getattr(function, "func", function)  # a partial
    if not hasattr(function, "__annotations__"):  # an object with __call__
        function = type(function).__call__
    annotation = function.__annotations__.get("return", ANY)
    if not isinstance(annotation, str):
        return annotation
    # `from __future__ import annotations` leaves text behind
    return typing.get_type_hints(function, include_extras=True).get("return", ANY)


def _one(annotation: Any, default: str) -> Output:
    if typing.get_origin(annotation) is Annotated:
        base, *extras = typing.get_args(annotation)
        config = next((extra for extra in extras if isinstance(extra, ArtifactConfig)), None)
        for extra in extras:
            name = (
                extra if isinstance(extra, str) else getattr(extra, "name", None)
            )  # ArtifactConfig(name=...)
            if isinstance(name, str) and name:
                return Output(name, base, config)
        return Output(default, base, config)
    return Output(default, annotation)


def notes_of_outputs(outputs: tuple[Output, ...]) -> dict[str, Any]:
    """Return what the annotations of a step say of its outputs, by name."""
    said = {item.name: item.config.notes() for item in outputs if item.config is not None}
    return {name: notes for name, notes in said.items() if notes}
