"""The digest of a value without storing it: for parameters, and for constants that a step reaches."""

from __future__ import annotations

import hashlib
from types import BuiltinFunctionType, FunctionType
from typing import Any

from . import classes, plain
from .hashing import HashingWriter
from .materializers.formats import PICKLE, NotRepresentableError, format_of

SECRET = "secret"  # noqa: S105  the word, not one
SECRET_TYPE = "mlxkit.secrets.value.SecretValue"  # noqa: S105


def digest_of(value: Any) -> str:
    """Return the digest of a value by content: 1, 1.0, True and '1' differ, as do two orders of a dictionary.

    A class or function counts by its name, a secret as itself, whatever it holds. What has neither a plain
    form nor a format of its own counts by its pickle, which may differ between two processes.
    """
    return hashlib.sha256(canonical(value, content_digest).encode()).hexdigest()


def canonical(value: Any, leaf: plain.Leaf) -> str:
    """Return text that is equal for equal values; `leaf` stands in for what is not plain."""

    def stand_in(part: Any) -> Any:
        if classes.type_name(type(part)) == SECRET_TYPE:
            return {plain.TAG: SECRET}
        return leaf(part)

    encoder = plain.Encoder(leaf=stand_in, canonical=True)
    try:
        return encoder.text(value)
    except RecursionError:
        return encoder.dumps(stand_in(value))


def content_digest(value: Any) -> dict[str, str]:
    """Return the digest of something that is not plain, named by its format."""
    if issubclass(type(value), (type, FunctionType, BuiltinFunctionType)):
        return {plain.TAG: "name", "v": f"{value.__module__}:{value.__qualname__}"}
    found = format_digest(value)
    if found is None:
        file = HashingWriter(_Nowhere())
        PICKLE.write(value, file)
        found = {plain.TAG: PICKLE.name, "v": file.hexdigest()}
    return found


def format_digest(value: Any) -> dict[str, str] | None:
    """Return the digest of an array or a table, None for what has no format of its own."""
    row = format_of(value)
    if row is None:
        return None
    file = HashingWriter(_Nowhere())
    try:
        row.write(value, file)
    except NotRepresentableError:
        return None
    return {plain.TAG: row.name, "v": file.hexdigest()}


class _Nowhere:
    def write(self, block: Any) -> None:
        """Keep nothing."""

    def flush(self) -> None:
        """Keep nothing."""
