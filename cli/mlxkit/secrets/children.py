"""The environment of child processes: of those that have no business with secrets, and of those that read a few.

What mlx keeps from them is its own: MLX_SECRET_* and what unlocks its stores. VAULT_TOKEN, BAO_TOKEN, AWS_* and the like
are left where they are. The user has set them for his own tools, which he may well start here (`mlx exec -- terraform
apply`); to take them away would protect little, since ~/.vault-token and ~/.aws say the same to every process of his;
and a program with mlxkit inside of it needs them to ask the team's providers.
"""

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
    """Return the environment without mlx's secrets and without what unlocks them; other tools' logins stay."""
    given = os.environ if environ is None else environ
    return {
        name: value for name, value in given.items() if not name.startswith(PREFIX) and name not in _UNLOCKING
    }


def with_secrets_of(
    references: Iterable[Reference], secrets: SecretService, environ: Mapping[str, str]
) -> dict[str, str]:
    """Return the environment with what resolves these references, and no other secret of mlx.

    What unlocks the encrypted file is in it only where one of them needs it. It unlocks the whole file. For one that a
    provider answers it is what that provider and those that are asked before it log in with.
    """
    wanted: set[str] = set()
    for reference in references:
        wanted |= _needed(reference, secrets)
    found = without_secrets(environ)
    return {name: value for name, value in environ.items() if name in wanted or name in found}


def _needed(reference: Reference, secrets: SecretService, *, is_login: bool = False) -> frozenset[str]:
    """Return the variables that resolve one reference; a provider's login is of this machine, and needs no other one."""
    listing = secrets.get(reference.secret)
    if fold(reference.key) in map(fold, listing.from_environment):
        return frozenset((f"{PREFIX}{fold(reference.secret)}__{fold(reference.key)}",))
    if listing.store == NAME:
        return _UNLOCKING
    if is_login:
        return frozenset()
    asked = [secrets.team.logins(name) for name in (listing.store, *listing.also_in)]
    return frozenset().union(
        *(_needed(login, secrets, is_login=True) for logins in asked for login in logins)
    )
