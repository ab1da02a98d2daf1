"""The environment of child processes: of those that have no business with secrets, and of those that read a few."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from .names import fold
from .stores.environment import PREFIX
from .stores.master_key import KEY_FILE, NAME, PASSWORD, PASSWORD_FILE

if TYPE_CHECKING:
    from .references import Reference
    from .service import SecretService

_UNLOCKING = frozenset((KEY_FILE, PASSWORD_FILE, PASSWORD))


def without_secrets(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment without secrets and without what unlocks them."""
    given = os.environ if environ is None else environ
    return {
        name: value for name, value in given.items() if not name.startswith(PREFIX) and name not in _UNLOCKING
    }


def with_secrets_of(
    references: Iterable[Reference], secrets: SecretService, environ: Mapping[str, str]
) -> dict[str, str]:
    """Return the environment with what resolves these references, and no other secret.

    What unlocks the encrypted file is in it only where one of them needs it. It unlocks the whole file.
    """
    wanted: set[str] = set()
    for reference in references:
        listing = secrets.get(reference.secret)
        if fold(reference.key) in map(fold, listing.from_environment):
            wanted.add(f"{PREFIX}{fold(reference.secret)}__{fold(reference.key)}")
        elif listing.store == NAME:
            wanted |= _UNLOCKING
    found = without_secrets(environ)
    return {name: value for name, value in environ.items() if name in wanted or name in found}
