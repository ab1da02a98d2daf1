"""The token that callers of a deployment have to send: a reference to a secret, resolved where it is used."""

from __future__ import annotations

from dataclasses import replace

from ..errors import CredentialsError, UsageError
from ..secrets.references import find, normalise, renamed
from ..secrets.service import SecretService
from ..secrets.value import SecretValue
from .entries import DeploymentEntry
from .store import DeploymentStore


def check_token(text: str | None) -> str | None:
    """Return a token's reference as it is stored; raises UsageError for a value, without showing it."""
    if text is None:
        return None
    written = normalise(text.strip())
    found = find(written)
    if len(found) != 1 or str(found[0]) != written or found[0].filter:
        SecretValue(text)  # whatever it is, it was meant as a secret: nothing may print it
        raise UsageError(
            "the token has to be a reference to a secret, and not its value",
            hint='mlx secret create serving --token, and then --token "<<serving.token>>"',
        )
    return written


def users_of(store: DeploymentStore, secret: str) -> list[DeploymentEntry]:
    """Return the deployments whose token refers to a secret."""
    return [
        entry
        for entry in store.list()
        if any(reference.secret == secret for reference in find(entry.token or ""))
    ]


def rename_in(store: DeploymentStore, old: str, new: str) -> None:
    """Make every token that refers to one secret refer to another."""
    for found in users_of(store, old):
        with store.changing(found.name):
            entry = store.get(found.name)
            store.write(replace(entry, token=renamed(entry.token or "", old, new)))


def resolve_token(reference: str | None) -> SecretValue | None:
    """Return the token behind a reference; raises CredentialsError when it is missing or no header could hold it."""
    if reference is None:
        return None
    value = SecretService().resolve({"token": reference})["token"]
    token = value if isinstance(value, SecretValue) else SecretValue(value)
    text = token.reveal()
    if not text or not all("!" <= character <= "~" for character in text):
        found = find(reference)[0]
        raise CredentialsError(
            f"token: {reference} is {'empty' if not text else 'no token'}: one is printable ASCII without blanks",
            hint=f"mlx secret update {found.secret} --{found.key}",
        )
    return token
