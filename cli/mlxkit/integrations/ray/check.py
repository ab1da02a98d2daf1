"""What `mlx orchestrator test` finds out about a Ray cluster."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import field
from pathlib import Path
from typing import Any

from ...dataclass import dataclass
from ...records import Record
from . import failures
from .cluster import Cluster, connect, uses_tls
from .engine import engine
from .probe import our_versions, takes_anybody
from .settings import RaySettings
from .worker_versions import worker_versions

_WORKER_TIMEOUT = 60.0  # seconds: a worker may have to be started, and to install what `pip` names


@dataclass(frozen=True)
class RayCheck(Record):
    """A cluster that answers: its versions next to ours, what it has, and what is to be said about it."""

    name: str
    address: str
    ray: str
    python: str
    mlxkit: str
    nodes: int
    resources: Mapping[str, float] = field(default_factory=dict)
    authentication: str = "none"
    encryption: str = "none"
    warnings: tuple[str, ...] = ()


def check(settings: RaySettings, root: Path) -> RayCheck:
    """Connect, have a worker say what it is, and disconnect; raises what keeps steps from running there."""
    outcome: Future[RayCheck] = Future()

    def look() -> None:
        try:
            cluster = connect(settings, root, "check")
            try:
                found = _examined(cluster)
            finally:
                cluster.disconnect()
            outcome.set_result(found)
        except BaseException as error:
            outcome.set_exception(error)

    # In a thread of its own: Ray puts signal handlers of its own into the main thread.
    looking = threading.Thread(target=look, name="mlx-ray", daemon=True)
    looking.start()
    while looking.is_alive():
        looking.join(0.5)
    return outcome.result()


def _examined(cluster: Cluster) -> RayCheck:
    settings, ray = cluster.settings, cluster.ray
    nodes = cluster.nodes()
    theirs = _ask_worker(cluster)
    if theirs["mlxkit"] != _ours():
        raise failures.not_installed(theirs["mlxkit"])
    is_open = _is_open(cluster)
    warnings = []
    if cluster.goes_in_clear:
        warnings.append(
            "secrets of steps go to the workers in clear: RAY_USE_TLS=1 and certificates encrypt them"
        )
    if cluster.token_in_clear:
        warnings.append(cluster.token_in_clear)
    if is_open and not cluster.is_of_loopback:
        warnings.append(
            "whoever reaches the cluster runs code on it: RAY_AUTH_MODE=token has it ask for a token"
        )
    if theirs["python"] != our_versions()[1]:
        warnings.append(f"the workers have Python {theirs['python']}, here it is {our_versions()[1]}")
    return RayCheck(
        name=settings.name,
        address=settings.address or "started for each run",
        ray=ray.__version__,
        python=theirs["python"],
        mlxkit=theirs["mlxkit"],
        nodes=len(nodes),
        resources=_sum(nodes),
        authentication="none" if is_open else "token",
        encryption="TLS" if uses_tls() else "none",
        warnings=tuple(warnings),
    )


def _ask_worker(cluster: Cluster) -> dict[str, str]:
    ray = cluster.ray
    asked = ray.remote(worker_versions).options(num_cpus=0, max_retries=0, name="mlx orchestrator test")
    try:
        found: dict[str, str] = ray.get(asked.remote(), timeout=_WORKER_TIMEOUT)
    except Exception as error:
        raise failures.said(error, "a worker", cluster.settings.shown) from error
    return found


def _is_open(cluster: Cluster) -> bool:
    endpoint = cluster.head or cluster.settings.endpoint
    if endpoint is None:
        return True
    with engine(cluster.settings):
        return takes_anybody(cluster.settings, endpoint)


def _sum(nodes: Any) -> dict[str, float]:
    total: dict[str, float] = {}
    for node in nodes:
        for name, amount in node.items():
            total[name] = total.get(name, 0.0) + amount
    return total


def _ours() -> str:
    from ..._version import __version__

    return __version__
