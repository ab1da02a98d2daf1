"""Whether anything listens where a cluster should be: asked before a run is begun, without Ray."""

from __future__ import annotations

import socket

from ...errors import UnreachableError
from .settings import RaySettings

_PATIENCE = 2.0  # seconds


def check_listens(settings: RaySettings, endpoint: str) -> None:
    """Raise UnreachableError when nothing takes a connection at `host:port`."""
    host, _, port = endpoint.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _PATIENCE).close()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UnreachableError(
            f"{settings.shown} does not answer: {reason}", hint=f"mlx orchestrator test {settings.name}"
        ) from None
