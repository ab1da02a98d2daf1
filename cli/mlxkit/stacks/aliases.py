"""What can be an alias of a model version: letters, digits, `_` and `-`, and no word that means a version by itself."""

from __future__ import annotations

import re

from ..errors import UsageError

LATEST = "latest"
_LONGEST = 255
_ALIAS = re.compile(r"[\w-]+")
_NUMBER = re.compile(r"[vV]?\d+")


def may_be_alias(text: str) -> bool:
    """Say whether a text is written as an alias is; MLflow may hold reserved words from before they were."""
    return _ALIAS.fullmatch(text) is not None and len(text) <= _LONGEST


def check_alias(alias: str, *, new: bool = True) -> None:
    """Raise UsageError for what is no alias; `new` ones are not reserved words either."""
    if new and (alias.lower() == LATEST or _NUMBER.fullmatch(alias)):
        raise UsageError(f"{alias!r} cannot be an alias: it already means a version", hint="--to champion")
    if not may_be_alias(alias):
        raise UsageError(
            f"{alias!r} cannot be an alias: it may hold letters, digits, _ and -, up to {_LONGEST} of them"
        )
