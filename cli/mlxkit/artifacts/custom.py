"""Values written by a user's materializer: a folder of whatever files it makes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import classes
from .errors import UnstorableOutputError
from .materializers.base import BaseMaterializer

PREFIX = "custom:"


def write(value: Any, kind: type[BaseMaterializer], folder: Path) -> dict[str, str]:
    """Let a materializer write a value into a new folder; returns the names it takes to read it again."""
    name = classes.reference(kind)
    if name is None:
        raise UnstorableOutputError(
            f"materializer {classes.type_name(kind)!r} is defined inside a function and could not be found again",
            hint="define it at the top of a module",
        )
    folder.mkdir(mode=0o700)
    try:
        kind(str(folder)).save(value)
    except OSError as error:  # the user's own: nothing is known about the store
        raise UnstorableOutputError(f"materializer {classes.type_name(kind)!r} failed: {error}") from error
    return {"custom": name, "type": classes.type_name(type(value))}


def code(value: Any, kind: type[BaseMaterializer]) -> set[str]:
    """Name the classes that a stored value stands on: its own, and the one that reads it."""
    return {name for name in (classes.reference(kind), classes.reference(type(value))) if name}


def read(name: str, type_name: str, folder: Path, known: Mapping[str, type]) -> Any:
    """Let the materializer read the folder that it wrote."""
    kind: Any = classes.find(name, known)
    return kind(str(folder)).load(classes.find_by_type_name(type_name, known))


def summary(value: Any, kind: type[BaseMaterializer]) -> dict[str, Any]:
    """Return the plain facts that a materializer extracts; what is not plain is left out."""
    facts = {}
    for name, fact in kind("").extract_metadata(value).items():
        if fact is None or isinstance(fact, (str, int, float, bool)):
            facts[str(name)] = fact
    return facts
