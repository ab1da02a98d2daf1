"""A whole value as text, without running anything that is stored with it."""

from __future__ import annotations

from typing import Any

from . import io
from .errors import ArtifactUnreadableError
from .neutral import Instance, Part
from .opening import Opened, open_safely
from .records import ArtifactRecord
from .store import ArtifactStore

_SETS = ("set", "frozenset")


def printed(record: ArtifactRecord, store: ArtifactStore, *, unpickle: bool = False) -> str:
    """Return a value as Python prints it; an object of a class by the class's name and what it was made of.

    Raises ArtifactUnreadableError for what is pickled, or holds what is pickled, unless told; ArtifactMissingError.
    """
    if unpickle:
        return str(io.load(record, store))
    opened = open_safely(record, store)
    _refuse_closed(opened)
    if opened.kind in ("table", "array"):
        return str(io.load(record, store))  # of formats that hold data alone
    if opened.kind != "value":
        return str(opened.value)
    if _is_plain(opened.value):
        return str(io.load(record, store))
    return repr(_shown(opened.value))


class _Verbatim:
    """Text that stands for itself inside of a value that Python prints."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _refuse_closed(opened: Opened) -> None:
    if opened.kind == "closed":
        raise ArtifactUnreadableError(
            "the value is pickled, or part of it is: reading it would run code that is stored with it",
            hint="add --unpickle if you trust it, or --path to copy the file",
        )


def _is_plain(value: Any) -> bool:
    """Say whether bringing a value back needs no class but those of Python and of the data libraries."""
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    if isinstance(value, Instance):
        return value.origin in _SETS and all(map(_is_plain, value.value))
    if isinstance(value, Part):
        _refuse_closed(value.read())
    return True


def _shown(value: Any) -> Any:
    """Return a value whose parts print themselves as they would if they were brought back."""
    if isinstance(value, dict):
        return {key: _shown(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(_shown, value))
    if isinstance(value, Part):
        part = value.read()
        _refuse_closed(part)
        return _Verbatim(repr(part.value))
    if isinstance(value, Instance):
        made = value.value
        if value.origin in _SETS:
            inner = ", ".join(repr(_shown(item)) for item in made)
            braces = f"{{{inner}}}" if made else ""
            return _Verbatim(braces if made and value.name == "set" else f"{value.name}({braces})")
        if isinstance(made, dict):
            return _Verbatim(
                f"{value.name}({', '.join(f'{key}={_shown(item)!r}' for key, item in made.items())})"
            )
        items = made if isinstance(made, (list, tuple)) else [made]
        return _Verbatim(f"{value.name}({', '.join(repr(_shown(item)) for item in items)})")
    return value
