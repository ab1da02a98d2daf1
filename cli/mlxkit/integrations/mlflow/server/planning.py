"""What a server on this machine is going to be; everything that can be wrong is found before anything is made."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from importlib.util import find_spec
from pathlib import Path

from ....config.paths import STATE_NAME
from ....dataclass import dataclass
from ....errors import MissingDependencyError, MlxError, UsageError
from ....secrets.service import SecretService
from ....secrets.value import SecretValue
from ....stacks.listening import PortTakenError, listen
from ..connection import Connection
from ..probe import probe_database
from .allowed import check_hosts
from .disk import database_problem, folder_problem
from .entry import ServerEntry
from .environment import listens_beyond
from .options import port_number, truth
from .places import backend_uri, destination, is_bucket, need_driver, need_store
from .store import ServerStore
from .tls import Tls, parse_tls

PORTS = range(5000, 5100)
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Plan:
    """A server that could be made; its port is 0 as long as none is chosen, `listener` holds the one that is."""

    entry: ServerEntry
    folder: Path
    tls: Tls | None
    trusted: str  # the certificate that clients have to be told of, or nothing
    is_open: bool
    notes: tuple[str, ...] = ()
    listener: socket.socket | None = None

    @property
    def attributes(self) -> dict[str, str]:
        """The attributes of the tracker that logs to it."""
        found = {
            "tracking_uri": self.entry.url,
            "tracking_username": f"<<{self.entry.secret}.username>>",
            "tracking_password": f"<<{self.entry.secret}.password>>",
        }
        return {**found, "tracking_server_cert": self.trusted} if self.trusted else found


def plan_local(store: ServerStore, name: str, options: Mapping[str, str]) -> Plan:
    """Read the options; raises for what cannot work here: a package, a file, a secret that is missing."""
    need_auth()
    folder = store.folder(name)
    host = options.get("host", _LOOPBACK)
    if host == "localhost":  # the name means two addresses, and a server has one
        host = _LOOPBACK
    hosts = check_hosts(options.get("allowed_hosts", ""))
    tls = parse_tls(options.get("tls"), folder)
    is_open = listens_beyond(host)
    is_insecure = truth("insecure", options.get("insecure", "false"))
    if is_open and tls is None and not is_insecure:
        raise UsageError(
            f"-x host={host}: passwords would go over the network where anybody can read them",
            hint="add -x tls=self-signed, or -x insecure=true if you are sure",
        )
    port = port_number(options["port"]) if "port" in options else 0
    backend, artifacts = (
        backend_uri(options.get("backend"), folder),
        destination(options.get("artifacts"), folder),
    )
    need_driver(backend)
    need_store(artifacts)
    _check_disk(Connection(name, "database", backend, store.project.state_dir).database, artifacts)
    check_backend(name, backend, store.project.state_dir)
    secret = secret_name(name)
    entry = ServerEntry(
        name, host, port, backend, artifacts, secret, hosts,
        certificate=str(tls.certificate) if tls else "", key=str(tls.key) if tls else "",
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )  # fmt: skip
    trusted = (
        _relative(tls.certificate, store.project.state_dir) if tls is not None and tls.is_trusted else ""
    )
    notes = ("it listens beyond this machine without TLS",) if is_open and tls is None else ()
    return Plan(entry, folder, tls, trusted, is_open, notes)


@contextmanager
def held(store: ServerStore, plan: Plan) -> Iterator[Plan]:
    """Choose the port of a plan and listen on it from now on, so that no other program can do so in between."""
    with _claim(store.ports(), plan.entry.host, plan.entry.port) as listener:
        entry = replace(plan.entry, port=int(listener.getsockname()[1]))
        yield replace(plan, entry=entry, listener=listener)


def _check_disk(database: Path | None, artifacts: str) -> None:
    problem = database_problem(database) if database is not None else None
    if problem:
        raise UsageError(f"-x backend=: {problem}", hint="-x backend=sqlite:///PATH, or leave it out")
    problem = None if is_bucket(artifacts) else folder_problem(Path(artifacts))
    if problem:
        raise UsageError(f"-x artifacts=: {problem}", hint="-x artifacts=FOLDER, or leave it out")


def need_auth() -> None:
    """Raise MissingDependencyError when MLflow's basic authentication is not installed."""
    if find_spec("flask_wtf") is None:
        raise MissingDependencyError(
            "a server with a password needs MLflow's `auth` extra, which is not installed",
            hint="pip install 'mlflow[auth]'",
        )


def secret_name(name: str) -> str:
    """Return the name of the secret with a server's credentials."""
    return re.sub(r"[^A-Za-z0-9-]+", "_", name)[:90].strip("_") + "_admin"


def check_backend(name: str, backend: str, state_dir: Path) -> None:
    """Raise when a secret is missing, or nothing listens where the database should: MLflow would try for minutes."""
    found = SecretService().resolve({"backend": backend})["backend"]
    uri = found.reveal() if isinstance(found, SecretValue) else found
    probe_database(Connection(name, "database", uri, state_dir))


def claim_again(entry: ServerEntry) -> socket.socket:
    """Listen where a server listened before; raises MlxError when another program does."""
    try:
        return listen(entry.host, entry.port)
    except PortTakenError:
        raise MlxError(
            f"port {entry.port} of the server of {entry.name!r} is taken by another program",
            hint=f"stop that one, then: mlx tracker start {entry.name}",
        ) from None


def _claim(taken: set[int], host: str, asked: int) -> socket.socket:
    """Listen on the port that was asked for, or on the first free one from 5000 on that no server of ours has."""
    for port in (asked,) if asked else (*PORTS, 0):
        if port and port != asked and port in taken:
            continue
        try:
            return listen(host, port)
        except PortTakenError:
            continue
        except MlxError as error:
            raise MlxError(error.message, hint="-x host takes an address of this machine") from error
    if asked:
        raise MlxError(
            f"port {asked} is taken by another program", hint="leave -x port out, and a free one is found"
        )
    raise MlxError("no port is free", hint="-x port=PORT")


def _relative(path: Path, state_dir: Path) -> str:
    """Return a path as it can be committed: from the project's folder, when it is below it."""
    folder = state_dir.parent.absolute()
    is_below = state_dir.name == STATE_NAME and path.is_relative_to(folder)
    return path.relative_to(folder).as_posix() if is_below else str(path)
