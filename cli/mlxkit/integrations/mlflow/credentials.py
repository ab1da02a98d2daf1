"""What a tracker authenticates with, checked before a request is made of it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from ...dataclass import dataclass
from ...errors import CredentialsError
from ...secrets.value import SecretValue

_ATTRIBUTES = {
    "username": "tracking_username",
    "password": "tracking_password",
    "token": "tracking_token",
    "client_id": "databricks_client_id",
    "client_secret": "databricks_client_secret",
}


@dataclass(frozen=True)
class Credentials:
    """What authenticates us; at most one of the three ways is filled in."""

    username: SecretValue | None = None
    password: SecretValue | None = None
    token: SecretValue | None = None
    client_id: SecretValue | None = None
    client_secret: SecretValue | None = None

    @property
    def way(self) -> str:
        """Name the way of authentication: `basic`, `token`, `oauth` or `none`."""
        if self.token:
            return "token"
        if self.username and self.password:
            return "basic"
        return "oauth" if self.client_id and self.client_secret else "none"

    def header(self) -> str | None:
        """Return the value of the Authorization header, or None; OAuth needs a token of its own first."""
        if self.token:
            return f"Bearer {self.token.reveal()}"
        if self.username and self.password:
            pair = f"{self.username.reveal()}:{self.password.reveal()}"
            return "Basic " + b64encode(pair.encode()).decode()
        return None


def credentials_of(name: str, attributes: Mapping[str, Any]) -> Credentials:
    """Return the credentials of a tracker, or refuse one that cannot be sent; its value is not quoted."""
    found: dict[str, SecretValue] = {}
    for field, attribute in _ATTRIBUTES.items():
        value = attributes.get(attribute)
        if value is None:
            continue
        found[field] = value if isinstance(value, SecretValue) else SecretValue(str(value), attribute)
        problem = _problem(field, found[field].reveal())
        if problem:
            raise CredentialsError(
                f"tracker {name!r}: {attribute} {problem}",
                hint=f"mlx tracker update {name} --{attribute}=..., or update the secret it refers to",
            )
    return Credentials(**found)


def fits_a_header(token: str) -> bool:
    """Say whether a token can be sent: without line breaks, and in the characters of HTTP."""
    return all(char.isprintable() and char < "\u0100" for char in token)


def _problem(field: str, text: str) -> str:
    if not text:
        return "is empty"
    if field == "token" and not fits_a_header(text):
        return "cannot be sent: it holds a line break, a control character or one outside of Latin-1"
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        return "cannot be sent: it is not UTF-8 text"
    return ""
