"""What a server on this machine is going to be; everything that can be wrong is found before anything is made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.util import find_spec
from pathlib import Path

from ....config.paths import STATE_NAME
from ....errors import MissingDependencyError, MlxError, UsageError
from ....secrets.service import SecretService
from ....secrets.value import SecretValue
from ....stacks.listening import PortTakenError, listen
from ..connection import Connection
from ..probe import probe_database
from .entry import ServerEntry
from .environment import listens_beyond
from .options import port_number, truth
from .places import backend_uri, destination, need_driver, need_store
from .store import ServerStore
from .tls import Tls, parse_tls

_PORTS = range(5000, 5100)


@dataclass(frozen=True)
class Plan:
    """A server that could be made."""

    entry: ServerEntry
    folder: Path
    tls: Tls | None
    attributes: Mapping[str, str]
    is_open: bool
    notes: tuple[str, ...] = ()


def plan_local(store: ServerStore, name: str, options: Mapping[str, str]) -> Plan:
    """Read the options; raises for what cannot work here: a package, a port, a file, a secret that is missing."""
    need_auth()
    folder = store.folder(name)
    host = options.get("host", "127.0.0.1")
    hosts = tuple(part.strip() for part in options.get("allowed_hosts", "").split(",") if part.strip())
    tls = parse_tls(options.get("tls"), folder)
    is_open = listens_beyond(host)
    if is_open and tls is None and not truth("insecure", options.get("insecure", "false")):
        raise UsageError(
            f"-x host={host}: passwords would go over the network where anybody can read them",
            hint="add -x tls=self-signed, or -x insecure=true if you are sure",
        )
    port = _port(store, host, options.get("port"))
    backend, artifacts = (
        backend_uri(options.get("backend"), folder),
        destination(options.get("artifacts"), folder),
    )
    need_driver(backend)
    need_store(artifacts)
    check_backend(name, backend, store.project.state_dir)
    secret = secret_name(name)
    entry = ServerEntry(
        name, host, port, backend, artifacts, secret, hosts,
        certificate=str(tls.certificate) if tls else "", key=str(tls.key) if tls else "",
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )  # fmt: skip
    attributes = {
        "tracking_uri": entry.url,
        "tracking_username": f"<<{secret}.username>>",
        "tracking_password": f"<<{secret}.password>>",
    }
    if tls is not None and tls.is_trusted:
        attributes["tracking_server_cert"] = _relative(tls.certificate, store.project.state_dir)
    notes = ("it listens beyond this machine without TLS",) if is_open and tls is None else ()
    return Plan(entry, folder, tls, attributes, is_open, notes)


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


def check_port(entry: ServerEntry) -> None:
    """Raise MlxError when another program listens where a server is to."""
    try:
        listen(entry.host, entry.port).close()
    except PortTakenError:
        raise MlxError(
            f"port {entry.port} of the server of {entry.name!r} is taken by another program",
            hint=f"stop that one, then: mlx tracker start {entry.name}",
        ) from None


def _port(store: ServerStore, host: str, given: str | None) -> int:
    """Return the port that was asked for, or the first free one from 5000 on."""
    if given is not None:
        port = port_number(given)
        try:
            listen(host, port).close()
        except PortTakenError:
            raise MlxError(
                f"port {port} is taken by another program", hint="leave -x port out, and a free one is found"
            ) from None
        except MlxError as error:
            raise MlxError(error.message, hint="-x host takes an address of this machine") from error
        return port
    taken = store.ports()
    for port in (*(port for port in _PORTS if port not in taken), 0):
        try:
            with listen(host, port) as listener:
                return int(listener.getsockname()[1])
        except PortTakenError:
            continue
        except MlxError as error:
            raise MlxError(error.message, hint="-x host takes an address of this machine") from error
    raise MlxError("no port is free", hint="-x port=PORT")


def _relative(path: Path, state_dir: Path) -> str:
    """Return a path as it can be committed: from the project's folder, when it is below it."""
    folder = state_dir.parent.absolute()
    is_below = state_dir.name == STATE_NAME and path.is_relative_to(folder)
    return path.relative_to(folder).as_posix() if is_below else str(path)
