"""The environment of child processes that have no business with secrets."""

from __future__ import annotations

import os
from collections.abc import Mapping

from .stores.environment import PREFIX
from .stores.master_key import KEY_FILE, PASSWORD, PASSWORD_FILE

_UNLOCKING = frozenset((KEY_FILE, PASSWORD_FILE, PASSWORD))


def without_secrets(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment without secrets and without what unlocks them."""
    given = os.environ if environ is None else environ
    return {
        name: value for name, value in given.items() if not name.startswith(PREFIX) and name not in _UNLOCKING
    }
