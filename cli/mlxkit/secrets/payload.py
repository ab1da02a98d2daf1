"""The text that one store entry holds: all keys of a secret as one line of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping

from .names import is_key

LONE_KEY = "value"  # the key of an entry that another program wrote as a bare text


def encode(values: Mapping[str, str]) -> str:
    """Return the values as one line of ASCII, so that every backend and `keyring get` can carry it."""
    return json.dumps(dict(values), separators=(",", ":"), ensure_ascii=True)


def decode(text: str) -> dict[str, str]:
    """Return the values in an entry, also in one that was written by hand."""
    data = parse(text)
    if not isinstance(data, dict) or not all(is_key(key) for key in data):
        return {LONE_KEY: text}
    return {key: item if isinstance(item, str) else json.dumps(item) for key, item in data.items()}


def parse(text: str) -> object:
    """Return what JSON makes of `text`, numbers as they are written, or None when it is no JSON."""
    try:
        return json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        return None
