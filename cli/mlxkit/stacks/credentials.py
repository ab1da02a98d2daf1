"""What to say about the credentials of a component: where they are missing, and where they stand in plain text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..config.kinds import KINDS
from ..errors import did_you_mean
from .attributes import has_marks, plain_credentials, texts
from .flavors import Flavor


def credential_warnings(flavor: Flavor, name: str, attributes: Mapping[str, Any]) -> list[str]:
    """Return the warnings about a component's credentials, each with the commands that help."""
    warnings = list(missing_secrets(attributes))
    plain = [key for key in plain_credentials(flavor, attributes) if key in attributes]
    if plain:
        warnings.append(_plain(flavor, name, plain))
    return warnings


def missing_secrets(attributes: Mapping[str, Any], *, ask: bool = True) -> Iterable[str]:
    """Say which referenced secrets and keys are not in the index; no store is asked, so nobody is prompted.

    Where mlx.yaml has providers, those are asked for their names when there is no such secret here; without `ask`
    nobody is, and what may be theirs is taken to be there.
    """
    wanted: dict[str, list[str]] = {}
    for _, text in texts(attributes):
        if has_marks(text):
            from ..secrets.references import find

            for reference in find(text):
                wanted.setdefault(reference.secret, []).append(reference.key)
    if not wanted:
        return
    from ..secrets.service import SecretService
    from ..secrets.stores.environment import NAME as ENVIRONMENT

    service = SecretService()
    kept = {secret.name: secret for secret in service.kept()}
    known = {name: secret.keys for name, secret in kept.items()}
    # What the environment alone has, it has key by key: a provider's other keys count beside those.
    elsewhere = {
        name
        for name, keys in wanted.items()
        if name not in kept or (kept[name].store == ENVIRONMENT and not {*keys} <= {*known[name]})
    }
    team = service.team.names() if ask and elsewhere else set()
    may_be_theirs = bool(service.team.problems) if ask else bool(elsewhere) and service.team.chain is not None
    for secret, keys in wanted.items():
        if secret in elsewhere and (secret in team or may_be_theirs):
            continue
        if secret not in known:
            options = " ".join(f"--{key}" for key in dict.fromkeys(keys))
            yield f"no secret named {secret!r} yet{did_you_mean(secret, known)}: mlx secret create {secret} {options}"
            continue
        for key in dict.fromkeys(keys):
            if key not in known[secret]:
                close = did_you_mean(key, known[secret])
                yield f"secret {secret!r} has no key {key!r} yet{close}: mlx secret update {secret} --{key}"


def placeholder(name: str, attribute: str) -> tuple[str, str]:
    """The secret and the key that a plain credential of a component would best be kept under."""
    key = re.sub(r"[^\w.-]", "_", attribute.partition("_")[2] or attribute, flags=re.ASCII)
    return f"{name.replace('.', '_')}_secret", key


def moving(flavor: Flavor, name: str, attributes: list[str]) -> tuple[str, str]:
    """Return the two commands that move plain credentials of a component into a secret."""
    secret = placeholder(name, "")[0]
    keys = {attribute: placeholder(name, attribute)[1] for attribute in attributes}
    options = " ".join(f"--{key}" for key in keys.values())
    references = " ".join(f'--{attribute}="<<{secret}.{key}>>"' for attribute, key in keys.items())
    return (
        f"mlx secret create {secret} {options}",
        f"mlx {KINDS[flavor.kind].command} update {name} {references}",
    )


def _plain(flavor: Flavor, name: str, attributes: list[str]) -> str:
    verb, them = ("is", "it") if len(attributes) == 1 else ("are", "them")
    said = (
        f"{' and '.join(attributes)} {verb} stored as plain text in mlx.yaml; to keep {them} in the keyring:"
    )
    return "\n  ".join((said, *moving(flavor, name, attributes)))
