"""Plain values as JSON that keeps their types: a tuple comes back as a tuple, a set as a set, nan as nan.

What JSON has is written as it is. Everything else is an object with the key `$`, which names its type;
a dictionary of the user's that has such a key, or keys that are not text, is written as pairs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from . import classes
from .errors import ArtifactUnreadableError

TAG = "$"
Leaf = Callable[[Any], Any]
_DIRECT = frozenset({str, bool, type(None)})
_INT_RANGE = (-(2**63), 2**64)


class NotPlainError(Exception):
    """A value has no JSON form; `value` is the part that has none."""

    def __init__(self, value: object) -> None:
        super().__init__(f"no JSON form for {classes.type_name(type(value))}")
        self.value = value


class Encoder:
    """Turn values into what `json` can write.

    `leaf` is asked for a stand-in for whatever is not plain. `canonical` makes equal values equal text:
    no memory of which script defined a class. Sets have no order; that of a dictionary counts, as it does for code.
    `code` names the classes that were met.
    """

    def __init__(self, *, leaf: Leaf | None = None, canonical: bool = False) -> None:
        self._leaf = leaf
        self.canonical = canonical
        self.code: set[str] = set()

    def text(self, value: Any) -> str:
        """Return a value as JSON text."""
        return self.dumps(self.encode(value))

    def dumps(self, encoded: Any) -> str:
        """Return what `encode` gave as JSON text."""
        return json.dumps(encoded, allow_nan=False, separators=(",", ":"))

    def encode(self, value: Any) -> Any:
        """Return a value as what JSON has."""
        kind = type(value)
        if kind in _DIRECT:
            return value
        if kind is int:
            return value if _INT_RANGE[0] <= value < _INT_RANGE[1] else {TAG: "int", "v": hex(value)}
        if kind is float:
            return value if math.isfinite(value) else {TAG: "float", "v": repr(value)}
        writer = _WRITERS.get(kind)
        if writer is not None:
            return writer(self, value)
        return self._other(value, kind)

    def items(self, values: Iterable[Any]) -> list[Any]:
        """Encode a sequence; a homogeneous one is looked at once and passed on as it is."""
        values = values if isinstance(values, list) else list(values)
        kinds = set(map(type, values))
        if kinds <= _DIRECT:
            return values
        if kinds == {float} and all(map(math.isfinite, values)):
            return values
        if kinds == {int} and _INT_RANGE[0] <= min(values) and max(values) < _INT_RANGE[1]:
            return values
        return [self.encode(item) for item in values]

    def reference(self, kind: type) -> str:
        """Return the name of a class; raises NotPlainError when it could not be found again."""
        found = classes.reference(kind)
        if found is None:
            raise NotPlainError(kind)
        self.code.add(found)
        return found

    def _other(self, value: Any, kind: type) -> Any:
        from . import objects

        try:
            return objects.encode(self, value, kind)
        except NotPlainError:
            if self._leaf is None:
                raise
            return self._leaf(value)


def dumps(value: Any) -> str:
    """Return a plain value as JSON text; raises NotPlainError."""
    try:
        return Encoder().text(value)
    except RecursionError:
        raise NotPlainError(value) from None


def loads(
    text: str | bytes,
    *,
    known: Mapping[str, type] | None = None,
    leaf: Callable[[dict[str, Any]], Any] | None = None,
    before_code: classes.BeforeCode | None = None,
) -> Any:
    """Return the value behind JSON text; `leaf` turns the stand-ins of an encoder's `leaf` back into values.

    `before_code` is asked before a module is imported that the text names, and before a class that it names runs
    anything of its own.
    """

    def rebuild(item: dict[str, Any]) -> Any:
        tag = item.get(TAG)
        if tag is None:
            return item
        reader = _READERS.get(tag)
        if reader is not None:
            return reader(item["v"])
        if tag == "leaf" and leaf is not None:
            return leaf(item)
        from . import objects

        if tag in objects.READERS:
            return objects.READERS[tag](item)
        if tag in objects.OF_CLASS:
            return objects.instance(item, classes.find(item["c"], known, before_code), before_code)
        raise ArtifactUnreadableError(f"the value holds a {tag!r}, which this version does not know")

    return json.loads(text, object_hook=rebuild)


def _dict(encoder: Encoder, value: dict[Any, Any]) -> Any:
    if all(type(key) is str for key in value) and TAG not in value:
        return dict(zip(value, encoder.items(value.values()), strict=True))
    pairs = [[encoder.encode(key), encoder.encode(item)] for key, item in value.items()]
    return {TAG: "dict", "v": pairs}


def _set(encoder: Encoder, value: set[Any] | frozenset[Any]) -> Any:
    return {TAG: type(value).__name__, "v": sorted(map(encoder.encode, value), key=encoder.dumps)}


def _bytes(_: Encoder, value: bytes | bytearray) -> Any:
    from base64 import b64encode

    return {TAG: type(value).__name__, "v": b64encode(value).decode()}


def _unbytes(text: str) -> bytes:
    from base64 import b64decode

    return b64decode(text)


_WRITERS: dict[type, Callable[[Encoder, Any], Any]] = {
    list: lambda encoder, value: encoder.items(value),
    tuple: lambda encoder, value: {TAG: "tuple", "v": encoder.items(value)},
    dict: _dict,
    set: _set,
    frozenset: _set,
    bytes: _bytes,
    bytearray: _bytes,
    complex: lambda encoder, value: {
        TAG: "complex",
        "v": [encoder.encode(value.real), encoder.encode(value.imag)],
    },
    range: lambda _, value: {TAG: "range", "v": [value.start, value.stop, value.step]},
    type(...): lambda _, __: {TAG: "ellipsis", "v": None},
}

_READERS: dict[str, Callable[[Any], Any]] = {
    "int": lambda v: int(v, 16),
    "float": float,
    "tuple": tuple,
    "dict": dict,
    "set": set,
    "frozenset": frozenset,
    "bytes": _unbytes,
    "bytearray": lambda v: bytearray(_unbytes(v)),
    "complex": lambda v: complex(*v),
    "range": lambda v: range(*v),
    "ellipsis": lambda _: ...,
}
