"""The rules for names of secrets and of their keys."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ..errors import AlreadyExistsError, UsageError

NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*"
KEY = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
MAX_LENGTH = 100

_NAME = re.compile(NAME)
_KEY = re.compile(KEY)


def is_name(name: str) -> bool:
    """Say whether a secret may have this name."""
    return bool(_NAME.fullmatch(name)) and "__" not in name and len(name) <= MAX_LENGTH


def is_key(key: str) -> bool:
    """Say whether a key may be called this."""
    return bool(_KEY.fullmatch(key)) and len(key) <= MAX_LENGTH


def check_name(name: str, taken: Iterable[str] = ()) -> str:
    """Return `name` if a new secret may have it beside those that are taken."""
    if not is_name(name):
        raise UsageError(
            f"{_shown(name)} cannot be the name of a secret: letters, digits, '-' and '_', no '__', "
            f"a letter or digit first, at most {MAX_LENGTH} characters"
        )
    for other in taken:
        if fold(other) == fold(name):
            raise AlreadyExistsError(
                f"a secret named {other!r} exists"
                + ("" if other == name else f", and {name!r} reads the same as an environment variable"),
                hint=f"mlx secret update {other} --KEY=VALUE",
            )
    return name


def check_keys(keys: Iterable[str]) -> None:
    """Refuse a key that could not be referred to."""
    for key in keys:
        if not is_key(key):
            raise UsageError(
                f"{_shown(key)} cannot be a key: letters, digits, '_', '-' and '.', "
                f"not '-' or '.' first, at most {MAX_LENGTH} characters"
            )


def check_values(values: Mapping[str, str], *, allow_empty: bool = False) -> None:
    """Refuse keys and values that could not be used later; the message never shows a value."""
    check_keys(values)
    for key, value in values.items():
        if not value and not allow_empty:
            raise EmptyValueError(f"--{key}")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise UsageError(f"the value of key {key!r} is not UTF-8 text", hint="store it base64-encoded")


class EmptyValueError(UsageError):
    """An option arrived without a value, which is what a shell makes of an unquoted reference."""

    def __init__(self, option: str) -> None:
        super().__init__(
            f"{option} is empty: if you wrote <<...>> without quotes, the shell took it for a here-document",
            hint='write "<<name.key>>" in quotes, or {{name.key}}; --allow-empty if it is meant to be empty',
        )


def fold(name: str) -> str:
    """Return `name` as environment variables spell it; names that fold alike cannot exist side by side."""
    return re.sub(r"[-.]", "_", name).upper()


def is_user_name(key: str) -> bool:
    """Say whether a key, or an attribute, holds the name of a user by what it is called."""
    folded = fold(key)
    return folded in ("USER", "LOGIN") or folded.endswith(("USERNAME", "USER_NAME"))


def _shown(word: str) -> str:
    """Show a short word; a long or strange one may be a value in the wrong place."""
    return repr(word) if re.fullmatch(r"[\w.-]{1,30}", word) and word.isascii() else "this"
