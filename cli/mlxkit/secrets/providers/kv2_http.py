"""Requests to a Vault or OpenBao server: over the standard library, to that server and to no other.

hvac would do: it brings requests and takes 0.3 s to import, for four kinds of request, and follows redirects to other
hosts with the token in a header that requests does not take away.
"""

from __future__ import annotations

import http.client
import json
import ssl
from functools import partial
from pathlib import Path
from typing import Any, cast
from urllib.error import HTTPError, URLError
from urllib.parse import urljoin
from urllib.request import (
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    build_opener,
)

from ..._version import __version__
from ...dataclass import dataclass
from ...errors import ConfigError
from ...stacks.addresses import is_loopback
from ..masking import mask_text
from ..payload import parse
from ..value import SecretValue
from .places import asked_address, first_set, server_of, shown_server
from .protocol import ANSWER_PATIENCE, CONNECT_PATIENCE, Provider

_LIMIT = 8 << 20  # bytes; an entry of Vault's KV is 1 MiB at most
_REDIRECTS = 3
_HEADERS = {"X-Vault-Request": "true", "Accept": "application/json", "User-Agent": f"mlx/{__version__}"}
_MOVED = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class Answer:
    """What came back for one request: the status, and its JSON with numbers as they are written."""

    status: int
    body: dict[str, Any]

    @property
    def words(self) -> str:
        """What the server says is wrong, on one line, short and masked."""
        errors = self.body.get("errors")
        said = "; ".join(str(item) for item in errors) if isinstance(errors, list) else ""
        line = " ".join("".join(c if c.isprintable() else " " for c in mask_text(said)).split())
        return line if len(line) <= 200 else line[:200] + "..."

    def part(self, *path: str) -> dict[str, Any]:
        """Return a map inside of the body, empty where there is none."""
        found: Any = self.body
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        return found if isinstance(found, dict) else {}


class Server:
    """One server, asked with a new connection each time; what goes wrong is said in the provider's name."""

    def __init__(
        self, provider: Provider, address: str, *, namespace: str = "", ca: Path | None = None
    ) -> None:
        self.address = asked_address(address.rstrip("/"))
        self.shown = shown_server(self.address)
        self._provider = provider
        self.namespace = namespace.strip("/")
        self._ca = ca
        self._opener: OpenerDirector | None = None

    def ask(self, method: str, path: str, *, token: SecretValue | None = None, body: Any = None) -> Answer:
        """Send one request of the API; raises StoreUnusableError when no answer of Vault comes back."""
        address = f"{self.address}/v1/{path}"
        for _ in range(_REDIRECTS + 1):
            try:
                status, data, moved = self._send(method, address, token, body)
            except (
                OSError,
                http.client.HTTPException,
                ValueError,
            ) as error:  # ValueError: a place to go on to
                raise self._unreachable(error) from None  # its traceback would hold the request
            if status not in _MOVED or not moved:
                return self._answer(status, data)
            address = self._followed(address, moved)
        raise self._provider.unusable(f"{self.shown} sends requests round in a circle")

    def _send(
        self, method: str, address: str, token: SecretValue | None, body: Any
    ) -> tuple[int, bytes, str | None]:
        headers = {**_HEADERS}
        if self.namespace:
            headers["X-Vault-Namespace"] = self.namespace
        if token is not None:
            headers["X-Vault-Token"] = token.reveal()
        data = None if body is None else json.dumps(body).encode()
        request = Request(address, data, headers, method=method)  # noqa: S310 - http and https only
        self._opener = self._opener or self._made_opener()
        try:
            with self._opener.open(request, timeout=CONNECT_PATIENCE) as answer:
                return answer.status, answer.read(_LIMIT + 1), None
        except HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read(_LIMIT + 1), refusal.headers.get("Location")

    def _made_opener(self) -> OpenerDirector:
        host = server_of(self.address)[1]
        proxies = ProxyHandler({}) if is_loopback(host) else ProxyHandler()
        return build_opener(proxies, _Plain(), _Secure(context=self._context()), _Stay())

    def _context(self) -> ssl.SSLContext:
        """Trust what the entry names, else what the user's own tools trust, else what the system does."""
        file = str(self._ca) if self._ca else first_set("BAO_CACERT", "VAULT_CACERT")
        folder = "" if file else first_set("BAO_CAPATH", "VAULT_CAPATH")
        try:
            return ssl.create_default_context(cafile=file or None, capath=folder or None)
        except OSError as error:
            why = "holds no certificate" if isinstance(error, ssl.SSLError) else "cannot be read"
            raise ConfigError(
                f"{self._provider.name}: the certificate authority {file or folder} {why}",
                hint="name a PEM file: ca_file in mlx.yaml, or VAULT_CACERT",
            ) from error

    def _followed(self, address: str, moved: str) -> str:
        """Return where a redirect leads; raises StoreUnusableError when that is not the same server."""
        try:
            target = urljoin(address, moved)
            there, here = server_of(target), server_of(self.address)
        except ValueError:
            there, here, target = ("", "", 0, ""), ("", "", 1, ""), ""
        if there[:3] == here[:3]:
            return target
        if (here[0], there[0]) == ("http", "https") and there[1] == here[1]:
            raise self._provider.unusable(
                f"{self.shown} sends requests on to https://, and without it the token is sent unencrypted",
                "write https:// into mlx.yaml, or into the variable that names the server",
            )
        raise self._provider.unusable(
            f"{self.shown} sends requests on to another server, where the token is not sent",
            "bao status; if that is the place, write the address of the active server into mlx.yaml",
        )

    def _answer(self, status: int, data: bytes) -> Answer:
        if len(data) > _LIMIT:
            raise self._provider.unusable(
                f"{self.shown} answers with more than {_LIMIT >> 20} MiB, which is not read (status {status})",
                f"is it a Vault? curl {self.shown}/v1/sys/health",
            )
        body = parse(data.decode("utf-8", "replace")) if data else {}
        if not isinstance(body, dict):
            raise self._provider.unusable(
                f"{self.shown} answers with something else than JSON (status {status}): is it a Vault?",
                f"curl {self.shown}/v1/sys/health",
            )
        answer = Answer(status, body)
        if status == 503:
            what = "is sealed" if "sealed" in answer.words.lower() else f"is not ready: {answer.words}"
            raise self._provider.unusable(
                f"{self.shown} {what}", "ask who runs it; bao status shows when it is unsealed"
            )
        if status == 429 or status >= 500:
            said = answer.words or "nothing more"
            raise self._provider.unusable(f"{self.shown} answers with status {status}: {said}", "try again")
        if status == 404 and "namespace" in answer.words:
            raise self._provider.unusable(
                f"{self.shown} has no namespace {self.namespace!r}", "bao namespace list"
            )
        return answer

    def _unreachable(self, error: Exception) -> Exception:
        reason = error.reason if isinstance(error, URLError) else error
        if isinstance(reason, ssl.SSLCertVerificationError):
            why = reason.verify_message or "it is not trusted"
            return self._provider.unusable(
                f"the certificate of {self.shown} is refused: {why}",
                "VAULT_CACERT=FILE, or ca_file in mlx.yaml, names the authority that signed it",
            )
        if isinstance(reason, ssl.SSLError):
            return self._provider.unusable(
                f"{self.shown} does not speak TLS ({reason.reason or 'handshake failed'})",
                "is it http:// there, or another port?",
            )
        if isinstance(reason, TimeoutError):
            is_connected = not isinstance(error, URLError)  # which is what urllib says of a connection only
            why = f"no answer within {ANSWER_PATIENCE if is_connected else CONNECT_PATIENCE:g} s"
        else:
            why = str(getattr(reason, "strerror", None) or type(reason).__name__)
        hint = f"curl {self.shown}/v1/sys/health; is the network (VPN) there, and the address right?"
        return self._provider.unusable(f"{self.shown} does not answer: {why}", hint)


class _Link(http.client.HTTPConnection):
    """A connection with little patience until it stands and more for an answer; it never prints what it sends."""

    debuglevel = 0

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(ANSWER_PATIENCE)

    def set_debuglevel(self, level: int) -> None:
        """Stay silent whatever user code has switched on: the token is in the headers."""


class _SecureLink(_Link, http.client.HTTPSConnection):
    """The same over TLS; HTTPSConnection.connect comes first in the line."""


class _Plain(HTTPHandler):
    def http_open(self, req: Request) -> http.client.HTTPResponse:
        return self.do_open(cast(Any, _Link), req)


class _Secure(HTTPSHandler):
    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._made = partial(_SecureLink, context=context)

    def https_open(self, req: Request) -> http.client.HTTPResponse:
        return self.do_open(cast(Any, self._made), req)


class _Stay(HTTPRedirectHandler):
    """Follow nothing here: where to is looked at first."""

    def redirect_request(self, *_: Any) -> None:
        return None
