"""The one rule for names that people give to stacks, components and secrets."""

from __future__ import annotations

import re

from ..errors import UsageError

MAX_LENGTH = 100
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def name_problem(name: str) -> str | None:
    """Say what is wrong with `name`, or None when nothing is."""
    if not name:
        return "is empty"
    if len(name) > MAX_LENGTH:
        return f"is longer than {MAX_LENGTH} characters"
    if not _NAME.fullmatch(name):
        return "may hold letters, digits, '_', '.' and '-' only, and starts with a letter or a digit"
    return None


def check_name(name: str, what: str) -> str:
    """Return `name`, or refuse it as the name of `what`."""
    problem = name_problem(name)
    if problem:
        raise UsageError(f"{what} name {name!r} {problem}")
    return name
