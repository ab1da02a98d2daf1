"""How a deployment that was stopped or has died is served again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..errors import MlxError, NotFoundError
from ..stacks.deployers import ModelDeployer, Serving
from . import making
from .addresses import gets_free, url_of
from .entries import DeploymentEntry
from .store import DeploymentStore
from .token import resolve_token


def started(
    store: DeploymentStore,
    deployer: ModelDeployer,
    entry: DeploymentEntry,
    *,
    wait: bool,
    waiting: Callable[[str], None],
) -> tuple[DeploymentEntry, Serving, list[str]]:
    """Serve on the port that it had; the caller holds the lock. Return what is kept, what is served, what to tell."""
    name = entry.name
    if not entry.model_dir.is_dir():
        raise NotFoundError(
            f"the files of {making.model_of(entry)} are gone from {entry.model_dir}",
            hint=f"mlx deployment delete {name}, and mlx model deploy {entry.reference} --name {name}",
        )
    secret = resolve_token(entry.token)
    port, notes = _port_again(entry)
    waiting(f"starting {name}")
    with making.in_time(entry.ready_within, f"mlx deployment start {name}"):
        serving = deployer.start(making.spec_of(entry, secret, port=port), wait=wait)
    if serving.port and serving.port != entry.served_port:
        entry = replace(entry, served_port=serving.port)
        store.write(entry)
    return entry, serving, [f"{note}: it is {url_of(entry.host, serving.port)} now" for note in notes]


def _port_again(entry: DeploymentEntry) -> tuple[int, list[str]]:
    """Return the port to start on: the one it had, or a free one when that is taken and none was asked for."""
    port = entry.port or entry.served_port
    if not port or gets_free(entry.host, port):
        return port, []
    if entry.port:
        raise MlxError(
            f"port {port} of deployment {entry.name!r} is taken by another program",
            hint=f"stop that one, or: mlx deployment delete {entry.name}, and deploy on another port",
        )
    return 0, [f"port {port} is taken by another program"]
