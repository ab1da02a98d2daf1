"""Where a deployment listens: names, hosts and ports as they are asked for, and the URL to call."""

from __future__ import annotations

import re
import time

from ..config.names import MAX_LENGTH, check_name
from ..errors import UsageError
from ..stacks.addresses import is_loopback
from ..stacks.listening import is_taken, reached_at

_HOST = re.compile(r"[A-Za-z0-9_.:%-]+")
_LETS_GO_WITHIN = 3.0


def name_for(model: str) -> str:
    """Return a valid deployment name for a model's name."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", model).lstrip("_.-").rstrip("-")
    return check_name(name[:MAX_LENGTH] or "model", "deployment")


def check_address(host: str, port: int) -> None:
    """Raise UsageError for what cannot be listened on."""
    if not _HOST.fullmatch(host):
        raise UsageError(f"{host!r} is no host to listen on", hint="--host 127.0.0.1")
    if not 0 <= port <= 65535:
        raise UsageError(f"{port} is no port: 1 to 65535, or 0 for a free one")


def exposure(host: str, *, has_token: bool) -> str | None:
    """Say what it means to listen on a host that others can reach; None when they cannot."""
    if is_loopback(host):
        return None
    said = (
        f"--host {host}: anyone who reaches this machine can call the model, over http that others can read"
    )
    return said if has_token else f'{said}, and without --token "<<secret.key>>" nobody is asked who they are'


def url_of(host: str, port: int | None) -> str:
    """Return the address of a server, or nothing when it has no port."""
    if not port:
        return ""
    reached = reached_at(host)
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


def gets_free(host: str, port: int) -> bool:
    """Say whether a port can be listened on, now or in a moment: workers of a killed server let go of it late."""
    deadline = time.monotonic() + _LETS_GO_WITHIN
    while is_taken(host, port):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
