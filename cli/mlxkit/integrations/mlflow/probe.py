"""Find out within two seconds whether MLflow answers and takes the credentials; every way to fail has its own words."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from ...dataclass import dataclass
from ...errors import MlxError, UnreachableError
from ...records import Record
from .connection import Connection
from .rest import API, PROBE_TIMEOUT, Answer, Rest, plain

__all__ = ["PROBE_TIMEOUT", "TrackerCheck", "check", "explain", "probe", "probe_database", "within"]

T = TypeVar("T")


@dataclass(frozen=True)
class TrackerCheck(Record):
    """What `mlx tracker test` found out."""

    name: str
    scenario: str
    tracking_uri: str
    version: str
    credentials: str


def probe(rest: Rest, to: Connection) -> None:
    """Raise UnreachableError or CredentialsError unless MLflow answers and takes the credentials."""
    within(PROBE_TIMEOUT, lambda: _ask(rest, to), to)


def check(rest: Rest, to: Connection) -> TrackerCheck:
    """Do what `probe` does, and tell the version and whether the credentials are needed at all."""
    probe(rest, to)
    version = _version(rest.request("GET", "/version", timeout=PROBE_TIMEOUT))
    credentials = "none needed"
    if to.credentials.way != "none":
        without = rest.request(
            "POST", f"{API}/experiments/search", {"max_results": 1}, timeout=PROBE_TIMEOUT, anonymous=True
        )
        credentials = "not needed" if without.status == 200 else "accepted"
    return TrackerCheck(to.name, to.scenario, to.shown_uri, version, credentials)


def within(seconds: float, call: Callable[[], T], to: Connection) -> T:
    """Return what `call` returns, or give up on time: name look-ups and servers that trickle know no timeout."""
    outcome: list[T] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            outcome.append(call())
        except BaseException as error:
            failure.append(error)

    worker = threading.Thread(target=work, name="mlx-tracker-probe", daemon=True)
    worker.start()
    worker.join(seconds + 0.2)
    if failure:
        raise failure[0]
    if not outcome:
        message, hint = explain(TimeoutError(), to, seconds)
        raise UnreachableError(f"tracker {to.name!r}: {message}", hint=hint)
    return outcome[0]


def probe_database(to: Connection) -> None:
    """Raise UnreachableError when nothing listens where a database should; its password is checked when it is opened."""
    address = urlsplit(to.tracking_uri)
    kind = address.scheme.partition("+")[0]
    port = address.port or {"postgresql": 5432, "mysql": 3306, "mssql": 1433}.get(kind)
    if not address.hostname or port is None or kind == "sqlite":
        return
    host = unquote(address.hostname)
    if host.startswith("/"):  # the folder of a socket on this machine
        return
    try:
        within(PROBE_TIMEOUT, lambda: _knock(host, port), to)
    except (OSError, UnicodeError) as error:
        message, hint = explain(error, to, PROBE_TIMEOUT)
        raise UnreachableError(f"tracker {to.name!r}: {message}", hint=hint) from error


def explain(error: BaseException, to: Connection, seconds: float) -> tuple[str, str | None]:
    """Return what happened and what to do, for an error of the network below us."""
    url = to.shown_url
    if isinstance(error, (socket.gaierror, UnicodeError)):
        return (
            f"there is no host {to.shown_host}",
            f"mlx tracker update {to.name} --{to.address_attribute}=...",
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        why = getattr(error, "verify_message", "") or "not valid"
        if to.is_hidden and to.host:
            why = why.replace(to.host, "***")
        return (
            f"the certificate of {url} is not trusted: {why}",
            f"mlx tracker update {to.name} --tracking_server_cert=FILE, with its certificate, or --tracking_insecure_tls=true",
        )
    if isinstance(error, ssl.SSLError):
        return (
            f"{url} does not speak TLS ({error.reason or 'handshake failed'})",
            f"mlx tracker update {to.name} --{to.address_attribute}=...",
        )
    if isinstance(error, ConnectionRefusedError):
        return (
            f"nothing listens at {url} (connection refused)",
            f"start the server, then: mlx tracker test {to.name}",
        )
    if isinstance(error, TimeoutError):
        return f"{url} does not answer within {seconds:g} s", f"mlx tracker test {to.name}"
    if isinstance(error, (http.client.HTTPException, ConnectionError)):
        hint = (
            f"mlx tracker update {to.name} --tracking_uri=https://..."
            if to.api_url.lower().startswith("http://")
            else None
        )
        return (
            f"{url} closes the connection instead of answering: it is not MLflow, or it speaks https only",
            hint,
        )
    reason = getattr(error, "strerror", None) or type(error).__name__
    return f"{url} cannot be reached: {reason}", f"mlx tracker test {to.name}"


def _ask(rest: Rest, to: Connection) -> bool:
    answer = rest.request("POST", f"{API}/experiments/search", {"max_results": 1}, timeout=PROBE_TIMEOUT)
    if answer.status == 200 and _is_mlflow(rest, answer):
        return True
    if answer.status in (401, 403, 429) or (answer.status >= 500 and answer.status != 501):
        raise rest.refusal(answer)
    if isinstance(answer.json(), dict) and "error_code" in answer.json():
        raise rest.refusal(answer)
    raise _not_mlflow(to)


def _is_mlflow(rest: Rest, answer: Answer) -> bool:
    told = answer.json()
    if not isinstance(told, dict):
        return False
    # Empty lists are left out of the answer, so that {} means: no experiment that this user may see.
    return "experiments" in told or (
        told == {} and rest.request("GET", "/health", timeout=PROBE_TIMEOUT).body == b"OK"
    )


def _knock(host: str, port: int) -> bool:
    socket.create_connection((host, port), PROBE_TIMEOUT).close()
    return True


def _not_mlflow(to: Connection) -> MlxError:
    return UnreachableError(
        f"tracker {to.name!r}: what answers at {to.shown_url} is not MLflow",
        hint=f"mlx tracker update {to.name} --tracking_uri=...",
    )


def _version(answer: Answer) -> str:
    text = plain(answer.body[:40].decode("ascii", "replace"))
    return text if answer.status == 200 and text[:1].isdigit() else ""
