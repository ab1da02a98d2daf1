"""The text that one store entry holds: all keys of a secret as one line of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .names import is_key

LONE_KEY = "value"  # the key of an entry that another program wrote as a bare text


def encode(values: Mapping[str, str]) -> str:
    """Return the values as one line of ASCII, so that every backend and `keyring get` can carry it."""
    return json.dumps(dict(values), separators=(",", ":"), ensure_ascii=True)


def decode(text: str) -> dict[str, str]:
    """Return the values in an entry, also in one that was written by hand."""
    data = parse(text)
    if not isinstance(data, dict) or not all(
        is_key(key) for key in data
    ):  # it is written back: nothing gets lost
        return {LONE_KEY: text}
    try:
        return {key: as_text(item) for key, item in data.items()}
    except RecursionError:
        return {LONE_KEY: text}


def parse(text: str) -> object:
    """Return what JSON makes of `text`, numbers as they are written, or None when it is no JSON."""
    try:
        return json.loads(text, parse_int=_Number, parse_float=_Number, parse_constant=_Number)
    except (ValueError, RecursionError):
        return None


class _Number(str):
    """A number as it is written: 1.50 is a version or an amount as often as it is a measure."""


def as_text(item: Any) -> str:
    """Return a part of what was parsed as a value: a text as it is, all else as JSON with its numbers as written.

    Raises RecursionError for one that is nested too deeply.
    """
    return str(item) if isinstance(item, str) else _dumped(item)


def _dumped(item: Any) -> str:
    """Return JSON for what was parsed, every number in its own writing."""
    if isinstance(item, _Number):
        return str(item)
    if isinstance(item, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {_dumped(value)}" for key, value in item.items()) + "}"
    if isinstance(item, list):
        return "[" + ", ".join(map(_dumped, item)) + "]"
    return json.dumps(item)
