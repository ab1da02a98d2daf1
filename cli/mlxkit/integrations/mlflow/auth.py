"""Credentials for MLflow's requests, added one request at a time: none is in the environment or in a file.

MLflow finds this through the entry point group `mlflow.request_auth_provider` and MLFLOW_TRACKING_AUTH=mlx.
In a process with a running step the credentials are that step's tracker's. Any other process (a child of a
step, or one where the variable was set by hand) resolves them itself: MLX_TRACKER, or the active stack's
tracker, from the configuration and the secret stores.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from .connection import Connection, connect
from .environment import AUTH_PROVIDER
from .inject import injection


class Authorize:
    """Set the Authorization header of a request that goes to the tracker, and of no other."""

    def __call__(self, request: Any) -> Any:
        to = injection.connection or configured_connection(os.environ.get("MLX_TRACKER"))
        if goes_to(request.url, to):
            header = to.credentials.header()
            if header is not None:
                request.headers["Authorization"] = header
        return request


class MlxAuthProvider:
    """What MLflow looks up by name; the methods are those of its RequestAuthProvider."""

    def get_name(self) -> str:
        """Return the name that MLFLOW_TRACKING_AUTH has to hold."""
        return AUTH_PROVIDER

    def get_auth(self) -> Authorize:
        """Return what `requests` calls with each request."""
        return Authorize()


def register_provider() -> None:
    """Make the provider known where the package runs from its sources and has no entry points."""
    from mlflow.tracking.request_auth.registry import _request_auth_provider_registry as registry

    if not any(provider.get_name() == AUTH_PROVIDER for provider in registry):
        registry.register(MlxAuthProvider)


def goes_to(url: str, to: Connection) -> bool:
    """Say whether an address lies on the tracker's server, below its path."""
    there, here = urlsplit(to.api_url), urlsplit(url)
    same_server = (there.scheme, there.hostname, _port(there)) == (here.scheme, here.hostname, _port(here))
    path = there.path.rstrip("/")
    return same_server and (here.path == path or here.path.startswith(f"{path}/"))


@lru_cache(maxsize=4)
def configured_connection(name: str | None) -> Connection:
    """Return the tracker of that name, or the active stack's, from the configuration around the working directory."""
    from ...config.paths import find_project
    from ...stacks.trackers import resolved_tracker

    project = find_project()
    return connect(resolved_tracker(name, project), project.state_dir)


def _port(address: Any) -> int | None:
    return address.port or {"http": 80, "https": 443}.get(address.scheme)
