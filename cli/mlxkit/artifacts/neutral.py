"""Stored JSON as plain values, without importing the classes that are named in it: to be looked at, not to be used."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from ..dataclass import dataclass
from . import objects
from .plain import TAG

_SETS = ("set", "frozenset")


@dataclass(frozen=True)
class Instance:
    """An object of some class: the class's name, what it was made of, and where the class is from."""

    name: str
    value: Any
    origin: str = ""


@dataclass(frozen=True)
class Part:
    """What a container holds beside its JSON: its format, a key that is the same for the same part, and a way to read it."""

    format: str
    key: str
    read: Callable[[], Any]


def decode(content: bytes | str, leaf: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """Return what stored JSON says: dictionaries, lists, tuples, scalars, `Instance`s, and what `leaf` makes of parts."""

    def rebuild(item: dict[str, Any]) -> Any:
        tag = item.get(TAG)
        if tag is None:
            return item
        if tag == "leaf" and leaf is not None:
            return leaf(item)
        if tag == "dict":
            return {_key(key): value for key, value in item["v"]}
        if tag in _SETS:
            return Instance(tag, item["v"], tag)
        if tag in _PLAIN:
            return _PLAIN[tag](item["v"])
        if tag in objects.READERS:
            return objects.READERS[tag](item)
        origin = str(item.get("c", tag)).removeprefix("__main__/")
        name = re.split(r"[:.]", origin)[-1]
        return Instance(name, item["n"] if "n" in item else item.get("v"), origin)

    return json.loads(content, object_hook=rebuild)


def to_json(value: Any) -> Any:
    """Return a decoded value as JSON has it, for people: what JSON lacks is text."""
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if isinstance(value, Instance):
        return {value.name: to_json(value.value)}
    if isinstance(value, Part):
        return f"<{value.format}>"
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else repr(value)
    if isinstance(value, (bytes, bytearray)):
        return f"<{len(value)} bytes>"
    return str(value)


def _key(key: Any) -> Any:
    return key if isinstance(key, (str, int, float, bool, type(None))) else repr(to_json(key))


def _bytes(text: str) -> bytes:
    from base64 import b64decode

    return b64decode(text)


_PLAIN: dict[str, Callable[[Any], Any]] = {
    "int": lambda v: int(v, 16),
    "float": float,
    "tuple": tuple,
    "bytes": _bytes,
    "bytearray": _bytes,
    "complex": lambda v: complex(*v),
    "range": lambda v: range(*v),
    "ellipsis": lambda _: "...",
}
