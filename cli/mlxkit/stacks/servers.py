"""Tracking servers of one's own: what is asked of the class behind `Flavor.servers`, and which one is meant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Literal, Protocol

from ..config.paths import Project, find_project
from ..dataclass import dataclass
from ..errors import InUseError, MlxError, NotFoundError, UsageError, did_you_mean
from ..records import Record
from .components import ComponentService
from .flavors import flavors, get_flavor, imported
from .service import StackService

_KIND = "experiment_tracker"
Provider = Literal["local", "docker", "kubernetes"]
PROVIDERS: tuple[Provider, ...] = ("local", "docker", "kubernetes")
INTERRUPTED = "deploying was interrupted"  # the reason of a server that was never finished
ServerState = Literal["starting", "running", "stopped", "failed"]


@dataclass(frozen=True)
class ServerRecord(Record):
    """A tracking server of this project; `memory` is in bytes, None where the system does not say it."""

    name: str
    flavor: str
    state: ServerState
    url: str
    pid: int | None = None
    since: str = ""
    backend: str = ""
    artifacts: str = ""
    version: str = ""
    memory: int | None = None
    folder: str = ""
    secret: str = ""
    reason: str = ""


@dataclass(frozen=True)
class DeployRecord(Record):
    """What was made, or with `dry_run` would be: `files` were written, `next` are the commands to type."""

    name: str
    flavor: str
    provider: Provider
    dry_run: bool = False
    url: str = ""
    secret: str = ""
    backend: str = ""
    artifacts: str = ""
    files: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    next: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class TrackerServers(Protocol):
    """What runs the servers of a flavor; made from the project and from what is told while it takes long."""

    def deploy(
        self,
        name: str | None,
        provider: Provider,
        options: Mapping[str, str],
        *,
        dry_run: bool,
        confirm: Callable[[str], None],
    ) -> DeployRecord:
        """Make a server or the files for one; `confirm` raises unless the person agrees. Nothing half-made stays."""

    def names(self) -> list[str]:
        """Return the names of the servers on this machine."""

    def status(self, name: str) -> ServerRecord:
        """Look how a server is, asking the system and not a file."""

    def start(self, name: str) -> ServerRecord:
        """Serve again under the same address with the same data, and wait until it answers."""

    def stop(self, name: str) -> ServerRecord:
        """End a server, after the requests that are being answered."""

    def log(self, name: str) -> Path:
        """Return the file that a server writes its log to."""


def check_provider(text: str) -> Provider:
    """Return a provider by its name, or refuse it and name those there are."""
    for known in PROVIDERS:
        if text == known:
            return known
    raise UsageError(
        f"no provider {text!r}{did_you_mean(text, PROVIDERS)}; there are {', '.join(PROVIDERS)}",
        hint="mlx tracker deploy NAME --provider local, or --provider kubernetes for files that any cloud takes",
    )


def open_servers(
    flavor: str, project: Project | None = None, waiting: Callable[[str], None] | None = None
) -> TrackerServers:
    """Return what runs the servers of a flavor; raises UsageError for one that has none."""
    row = get_flavor(_KIND, flavor)
    if row.servers is None:
        raise UsageError(f"flavor {flavor!r} has no server that could be deployed")
    made: TrackerServers = imported(row.servers)(project or find_project(), waiting or _silent)
    return made


def every_server(
    project: Project, waiting: Callable[[str], None] | None = None
) -> list[tuple[str, TrackerServers]]:
    """Return the name of each server of a project with what runs it."""
    found: list[tuple[str, TrackerServers]] = []
    for row in flavors(_KIND):
        if row.servers is not None:
            servers = open_servers(row.name, project, waiting)
            found += [(name, servers) for name in servers.names()]
    return sorted(found, key=lambda item: item[0])


def find_server(
    name: str | None, project: Project, waiting: Callable[[str], None] | None = None
) -> tuple[str, TrackerServers]:
    """Return a server by its name; without one the active stack's, else the only one there is."""
    known = dict(every_server(project, waiting))
    if name is None:
        name = _meant(project, known)
    found = _server_of(name, project, known)
    if found is None:
        raise NotFoundError(
            f"no server of a tracker {name!r} was deployed here{did_you_mean(name, known)}",
            hint="mlx tracker status" if known else "mlx tracker deploy NAME",
        )
    return found, known[found]


def check_not_running(name: str, project: Project) -> tuple[str, ...]:
    """Refuse to delete a tracker whose server runs; return what stays of one that is stopped."""
    known = dict(every_server(project))
    found = _server_of(name, project, known)
    if found is None:
        return ()
    server = known[found].status(found)
    if server.pid is not None:
        raise InUseError(
            f"the server of tracker {name!r} is running (process {server.pid})",
            hint=f"mlx tracker stop {found}",
        )
    if server.reason == INTERRUPTED:
        return (
            f"what the interrupted deployment of its server has made stays until: mlx tracker stop {found}",
        )
    stays = [f"the data of its server stays in {server.folder}"]
    if server.secret:
        stays.append(f"its password stays in secret {server.secret!r}: mlx secret delete {server.secret}")
    return tuple(stays)


def _server_of(name: str, project: Project, known: Mapping[str, TrackerServers]) -> str | None:
    """Return the server that goes by a tracker's name, or that a tracker points at which was renamed since."""
    if name in known or not known:
        return name if name in known else None
    try:
        address = ComponentService(project).get(_KIND, name).attributes.get("tracking_uri")
    except MlxError:
        return None
    return next((other for other, servers in known.items() if servers.status(other).url == address), None)


def _silent(_: str) -> None:
    """Tell nobody."""


def _meant(project: Project, known: Mapping[str, TrackerServers]) -> str:
    try:
        stack, _ = StackService(project).active()
        tracker = stack.components.get(_KIND)
    except MlxError:  # no stack yet: a server needs none
        tracker = None
    if tracker is not None and _server_of(tracker, project, known):
        return tracker
    if len(known) == 1:
        return next(iter(known))
    if not known:
        raise NotFoundError("no server of a tracker was deployed here", hint="mlx tracker deploy NAME")
    raise UsageError(f"several servers were deployed here: {', '.join(known)}", hint="name one of them")
