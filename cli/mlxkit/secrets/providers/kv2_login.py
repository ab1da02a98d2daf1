"""How to log in at Vault or OpenBao; tokens are in the memory of this process alone."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ...config.model import ProviderEntry
from ...config.regular import read_regular_file
from ...errors import MlxError
from ..references import resolve
from ..stores.protocol import StoreUnusableError
from ..value import SecretValue
from .kv2_http import Server
from .places import environment_address, file_from, same_server, shown_server
from .protocol import Provider

Local = Callable[[str], "Mapping[str, str] | None"]

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount/token"
_TOKEN_FILE = ".vault-token"  # noqa: S105 - the file of Vault's and OpenBao's own tools
_TOKEN_VARIABLES = ("BAO_TOKEN", "VAULT_TOKEN")
_RESOLVED = ("token", "role_id", "secret_id", "jwt")  # of the attributes; the others are plain text
_SPENT = 0.9  # of its time to live, after which a token is not relied on


class Login:
    """Gives the token of one provider, logging in when there is none or it has run out."""

    def __init__(
        self, entry: ProviderEntry, provider: Provider, server: Server, local: Local, base: Path
    ) -> None:
        self._entry = entry
        self._provider = provider
        self._server = server
        self._local = local  # the environment and the stores here; never another provider
        self._base = base
        self._method = entry.attributes.get("auth", "token")
        self._held: tuple[SecretValue, float] | None = None
        self._resolved: dict[str, SecretValue] | None = None
        self._lock = threading.Lock()
        self.source = ""  # where the token is from, for messages

    def prepare(self) -> None:
        """Resolve the references of the entry by the environment and the stores here, once; raises CredentialsError."""
        if self._resolved is None:
            prefix, said = f"secret_providers.{self._entry.name}.", self._entry.attributes
            fields = {prefix + key: text for key, text in said.items() if key in _RESOLVED}
            found = resolve(fields, self._local)
            self._resolved = {
                path.removeprefix(prefix): value if isinstance(value, SecretValue) else SecretValue(value)
                for path, value in found.items()
            }

    def token(self) -> SecretValue:
        """Return a token that has not run out, as far as is known."""
        with self._lock:
            if self._held is None or time.monotonic() >= self._held[1]:
                self._held = (self._found(), float("inf")) if self._method == "token" else self._logged_in()
            return self._held[0]

    def again(self, refused: SecretValue) -> bool:
        """Drop a token that the server refuses; say whether another one can be had."""
        with self._lock:
            if self._held is not None and self._held[0] is refused:
                self._held = None
        return self._method != "token"

    def remedy(self) -> str:
        """Say what gives a token that works."""
        if self._method != "token":
            return f"bao write auth/{self._mount}/login ..., to see what the server says"
        if "token" in self._entry.attributes:
            name = self._entry.attributes["token"].strip("<>{} ").partition(".")
            return f"bao login -token-only, then mlx secret update {name[0]} --{name[2]}"
        return "bao login (or vault login), or set VAULT_TOKEN"

    @property
    def _mount(self) -> str:
        return self._entry.attributes.get("login_path", self._method).strip("/")

    def _found(self) -> SecretValue:
        """Find a token that was given; one that the user's tools use belongs to their server alone."""
        if "token" in self._entry.attributes:
            self.source = f"the reference {self._entry.attributes['token']}"
            return self._fitting(self._value("token"))
        theirs = environment_address()
        if theirs and not same_server(theirs, self._server.address):
            raise self._provider.unusable(
                f"no token for {self._server.shown}: BAO_ADDR or VAULT_ADDR names another server, {shown_server(theirs)}, "
                "and the token in the environment or in ~/.vault-token is that one's",
                f"VAULT_ADDR={self._server.shown} vault login, or a reference as token in mlx.yaml",
            )
        for variable in _TOKEN_VARIABLES:
            given = os.environ.get(variable, "").strip()
            if given:
                self.source = variable
                return self._fitting(given)
        self.source = f"~/{_TOKEN_FILE}"
        given = self._content(file_from(self._base, f"~/{_TOKEN_FILE}"))
        if not given:
            raise self._provider.unusable(f"there is no token for {self._server.shown}", self.remedy())
        return self._fitting(given)

    def _logged_in(self) -> tuple[SecretValue, float]:
        """Log in, and return the token with the time until which it can be relied on."""
        body = self._credentials()
        started = time.monotonic()
        answer = self._server.ask("POST", f"auth/{quote(self._mount)}/login", body=body)
        auth = answer.part("auth")
        if answer.status != 200 or not isinstance(auth.get("client_token"), str):
            raise self._provider.unusable(
                f"{self._server.shown} refuses the login by {self._method} at auth/{self._mount}: "
                f"{answer.words or f'status {answer.status}'}",
                self._login_remedy(),
            )
        self.source = f"the login by {self._method}"
        seconds = _seconds(auth.get("lease_duration"))
        until = started + seconds * _SPENT if seconds > 0 else float("inf")
        return self._fitting(auth["client_token"]), until

    def _credentials(self) -> dict[str, str]:
        if self._method == "approle":
            return {key: self._value(key) for key in ("role_id", "secret_id")}
        role = self._entry.attributes["role"]
        if "jwt" in self._entry.attributes:
            return {"role": role, "jwt": self._value("jwt")}
        named = self._entry.attributes.get("jwt_file", SERVICE_ACCOUNT)
        token = self._content(file_from(self._base, named))
        if not token:
            raise self._provider.unusable(
                f"there is no token in {named} to log in with", "jwt_file in mlx.yaml names the file"
            )
        return {"role": role, "jwt": SecretValue(token).reveal()}

    def _login_remedy(self) -> str:
        if self._method == "approle":
            return "a new secret id: bao write -f -field=secret_id auth/approle/role/ROLE/secret-id"
        return f"bao read auth/{self._mount}/role/{self._entry.attributes.get('role', 'ROLE')}"

    def _value(self, key: str) -> str:
        self.prepare()
        return (self._resolved or {})[key].reveal()

    def _content(self, path: Path) -> str:
        try:
            data = read_regular_file(path, str(path), limit=65536)
        except MlxError as error:
            raise StoreUnusableError(self._provider.name, error.message, hint=error.hint) from None
        return (data or b"").decode("utf-8", "replace").strip()

    def _fitting(self, token: str) -> SecretValue:
        """Hold a token; one that no header can carry would be quoted in the error of the library."""
        if not token.isascii() or not token.isprintable() or " " in token:
            raise self._provider.unusable(
                f"{self.source} holds no token: it has blanks or strange characters in it", self.remedy()
            )
        return SecretValue(token)


def _seconds(said: Any) -> float:
    """Return a time to live in seconds; one that is no number is not known, and a refusal tells when it is over."""
    try:
        return float(said or 0)
    except (TypeError, ValueError):
        return 0.0
