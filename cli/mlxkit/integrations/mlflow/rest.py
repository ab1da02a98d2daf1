"""MLflow's REST API over one kept connection, without importing MLflow."""

from __future__ import annotations

import http.client
import json
import os
import threading
import time
import weakref
from base64 import b64encode
from typing import Any
from urllib.parse import urlencode, urlsplit

from ..._version import __version__
from ...dataclass import dataclass
from ...errors import CredentialsError, MlxError, UnreachableError
from .connection import Connection
from .credentials import fits_a_header
from .transport import open_link, target_of

API = "/api/2.0/mlflow"
PROBE_TIMEOUT = 2.0
TIMEOUT = 15.0
_KEPT = 3.0  # seconds: uvicorn closes an idle connection after 5, and a request sent just then is lost
_TRY_AGAIN_AFTER = (0.3, 1.0)
_BUSY = (429, 502, 503, 504)
_LIMIT = 64 * 1024 * 1024
_BROKEN = (http.client.HTTPException, ConnectionError, TimeoutError, OSError)


class TrackerApiError(MlxError):
    """MLflow refused a request; `code` is its own word for why."""

    def __init__(self, message: str, code: str, status: int) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


@dataclass(frozen=True)
class Answer:
    """What came back for one request."""

    status: int
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON, or None when it is something else."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):  # the latter for what is nested thousands deep
            return None


class Rest:
    """Talks to one server; threads take turns, and a forked child opens a connection of its own."""

    def __init__(self, connection: Connection) -> None:
        self._to = connection
        address = urlsplit(connection.api_url)
        self._host = address.hostname or ""
        self._prefix = address.path.rstrip("/")
        self._open: http.client.HTTPConnection | None = None
        self._pid = 0
        self._used = 0.0
        self._bearer: tuple[str, float] | None = None
        self._lock = threading.RLock()
        _all.add(self)

    def call(self, method: str, path: str, body: Any = None, *, timeout: float = TIMEOUT) -> Any:
        """Send one request of MLflow's API and return its JSON; a busy server is asked again."""
        for pause in (*_TRY_AGAIN_AFTER, None):
            answer = self.request(method, API + path, body, timeout=timeout)
            if answer.status not in _BUSY or pause is None:
                break
            time.sleep(pause)
        if answer.status != 200:
            raise self.refusal(answer)
        told = answer.json()
        if told is None and answer.body.strip():
            raise UnreachableError(
                f"tracker {self._to.name!r}: {self._to.shown_url} answers with something else than JSON",
                hint=f"mlx tracker test {self._to.name}",
            )
        return told or {}

    def request(
        self, method: str, path: str, body: Any = None, *, timeout: float = TIMEOUT, anonymous: bool = False
    ) -> Answer:
        """Send one request; raises what `http.client` and `ssl` raise, in our words."""
        headers = {"Accept": "application/json"}
        payload = None
        if method == "GET" and body:
            path = f"{path}?{urlencode(body)}"
        elif body is not None:
            payload = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        try:
            with self._lock:
                headers |= self._headers(timeout, anonymous)
                return self._send(method, self._prefix + path, payload, headers, timeout)
        except _BROKEN as error:
            raise unreachable(error, self._to, timeout) from error

    def upload(self, path: str, content: bytes, kind: str, *, timeout: float = TIMEOUT) -> Answer:
        """Put a file of the given content type at a path; raises what `request` does."""
        try:
            with self._lock:
                headers = {"Content-Type": kind, **self._headers(timeout, anonymous=False)}
                return self._send("PUT", self._prefix + path, content, headers, timeout)
        except _BROKEN as error:
            raise unreachable(error, self._to, timeout) from error

    def signed(self, path: str, timeout: float) -> tuple[str, dict[str, str]]:
        """Return the whole path and the headers of a request that somebody else sends; raises what `request` does."""
        try:
            with self._lock:
                return self._prefix + path, self._headers(timeout, anonymous=False)
        except _BROKEN as error:
            raise unreachable(error, self._to, timeout) from error

    def refusal(self, answer: Answer) -> MlxError:
        """Return the error for an answer that is not the one asked for; it never quotes what was sent."""
        told = answer.json()
        told = told if isinstance(told, dict) else {}
        message, code = plain(told.get("message", "")), plain(told.get("error_code", ""))
        where, text = f"tracker {self._to.name!r}", answer.body[:400].decode("utf-8", "replace")
        if answer.status == 401:
            return CredentialsError(
                f"{where}: {self._to.shown_url} {self._unauthorized()}", hint=self._renewal()
            )
        if answer.status == 403 and "Host header" in text:
            return UnreachableError(
                f"{where}: {self._to.shown_url} does not answer for the host {self._to.shown_host}",
                hint=f"start the server with --allowed-hosts {'...' if self._to.is_hidden else self._host}",
            )
        if answer.status == 403:
            return CredentialsError(
                f"{where}: {self._to.shown_url} does not allow it: {message or 'forbidden'}",
                hint=self._permission() if self._is_known(message) else self._renewal(),
            )
        if answer.status == 500 and self._to.credentials.way == "token":
            return CredentialsError(
                f"{where}: {self._to.shown_url} failed (500) on the token: a server with basic authentication "
                "takes a user name and a password",
                hint=f"mlx tracker update {self._to.name} --tracking_username=... --tracking_password=...",
            )
        if answer.status in (429, 500, 502, 503, 504) and not code:
            return UnreachableError(f"{where}: {self._to.shown_url} answers with an error ({answer.status})")
        return TrackerApiError(f"{where}: {message or f'HTTP status {answer.status}'}", code, answer.status)

    def close(self) -> None:
        """Close the kept connection."""
        with self._lock:
            if self._open is not None and self._pid == os.getpid():
                self._open.close()
            self._open = None

    def _is_known(self, message: str) -> bool:
        """Say whether a server that allows something to nobody like us knows who we are."""
        return self._to.credentials.way != "none" and "token" not in message.lower()

    def _permission(self) -> str:
        return f"ask who runs {self._to.shown_url} for the permission: the credentials were taken"

    def _unauthorized(self) -> str:
        if self._to.credentials.way == "none":
            return "asks for credentials, and the tracker has none"
        what = "user name or password" if self._to.credentials.way == "basic" else "token"
        return f"refused the {what}"

    def _renewal(self) -> str:
        flags = (
            "--tracking_token=..."
            if self._to.credentials.way == "token"
            else "--tracking_username=... --tracking_password=..."
        )
        return f"mlx tracker update {self._to.name} {flags}, or update the secret it refers to"

    def _send(
        self, method: str, path: str, payload: bytes | None, headers: dict[str, str], timeout: float
    ) -> Answer:
        kept = self._kept()
        if kept is not None:
            try:
                return self._exchange(kept, method, path, payload, headers, timeout)
            except (
                http.client.HTTPException,
                ConnectionError,
            ):  # closed meanwhile: the request was not taken up
                self.close()
        fresh = open_link(self._to, timeout)
        try:
            return self._exchange(fresh, method, path, payload, headers, timeout)
        except BaseException:
            self._open = None
            fresh.close()
            raise

    def _exchange(
        self,
        link: http.client.HTTPConnection,
        method: str,
        path: str,
        payload: bytes | None,
        headers: dict[str, str],
        timeout: float,
    ) -> Answer:
        link.timeout = timeout
        if link.sock is not None:
            link.sock.settimeout(timeout)
        path, extra = target_of(link, path)
        link.request(method, path, payload, {**headers, **extra})
        response = link.getresponse()
        answer = Answer(response.status, response.read(_LIMIT))
        self._open, self._pid, self._used = (
            (None if response.will_close else link),
            os.getpid(),
            time.monotonic(),
        )
        return answer

    def _kept(self) -> http.client.HTTPConnection | None:
        if self._open is None or self._pid != os.getpid():
            self._open = None
        elif time.monotonic() - self._used > _KEPT:
            self.close()
        return self._open

    def _headers(self, timeout: float, anonymous: bool) -> dict[str, str]:
        authorization = None if anonymous else self._authorization(timeout)
        return {
            "User-Agent": f"mlx/{__version__}",
            **({"Authorization": authorization} if authorization else {}),
        }

    def _authorization(self, timeout: float) -> str | None:
        if self._to.credentials.way != "oauth":
            return self._to.credentials.header()
        if self._bearer is None or time.time() > self._bearer[1] - 60:
            self._bearer = self._fetch_bearer(timeout)
        return f"Bearer {self._bearer[0]}"

    def _fetch_bearer(self, timeout: float) -> tuple[str, float]:
        """Ask Databricks for a token in the name of the service principal."""
        who, key = self._to.credentials.client_id, self._to.credentials.client_secret
        assert who is not None and key is not None
        basic = b64encode(f"{who.reveal()}:{key.reveal()}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"}
        form = b"grant_type=client_credentials&scope=all-apis"
        answer = self._send("POST", self._prefix + "/oidc/v1/token", form, headers, timeout)
        told = answer.json()
        if answer.status != 200 or not isinstance(told, dict) or "access_token" not in told:
            raise CredentialsError(
                f"tracker {self._to.name!r}: {self._to.shown_url} refused the service principal",
                hint=self._renewal(),
            )
        from ...secrets.value import SecretValue

        token, lifetime = SecretValue(str(told["access_token"])), _seconds(told.get("expires_in", 600))
        if lifetime is None or not token or not fits_a_header(token.reveal()):
            raise UnreachableError(
                f"tracker {self._to.name!r}: {self._to.shown_url} issued a token that cannot be used",
                hint=f"mlx tracker update {self._to.name} --databricks_host=...",
            )
        return token.reveal(), time.time() + lifetime


def _begin_anew() -> None:
    """Give a forked child locks that nobody holds; the connections of its parent are dropped unused."""
    for rest in list(_all):
        rest._lock, rest._open = threading.RLock(), None


_all: weakref.WeakSet[Rest] = weakref.WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


def plain(told: Any) -> str:
    """Return what a server said in one line that a terminal shows as it is."""
    return " ".join("".join(char if char.isprintable() else " " for char in str(told)).split())


def _seconds(told: Any) -> float | None:
    """Return a lifetime, or None for what is none."""
    try:
        seconds = float(told)
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if 0 < seconds < float("inf") else None


def unreachable(error: BaseException, to: Connection, timeout: float) -> UnreachableError:
    """Say in plain words why there was no answer."""
    from .probe import explain

    message, hint = explain(error, to, timeout)
    return UnreachableError(f"tracker {to.name!r}: {message}", hint=hint)
