"""What a server's process says of itself in `server.json`; whether it lives, its lock says."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path

from ....config.files import write_atomic
from ....dataclass import dataclass

_FILE = "server.json"
KEPT = b"kept"  # the line that a server is told when it may outlive who started it
_TYPES: dict[str, type | tuple[type, ...]] = {"int": int, "str": str, "float": (int, float)}


@dataclass(frozen=True)
class ServerStatus:
    """The last word of a server: `state` is `serving`, `stopped` or `failed`; `since` in seconds of the epoch."""

    pid: int
    boot: str
    state: str
    since: float
    version: str = ""
    reason: str = ""


def write_status(folder: Path, status: ServerStatus) -> None:
    """Write down what is going on; the server's own business."""
    write_atomic(folder / _FILE, json.dumps(asdict(status), indent=1).encode())


def read_status(folder: Path) -> ServerStatus | None:
    """Return what the server said last, or None when it said nothing that can be read."""
    try:
        found = json.loads((folder / _FILE).read_bytes())
        values = {item.name: found[item.name] for item in fields(ServerStatus)}
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return None
    fits = all(isinstance(values[item.name], _TYPES[str(item.type)]) for item in fields(ServerStatus))
    return ServerStatus(**values) if fits else None


def remove_status(folder: Path) -> None:
    """Forget what an earlier server said."""
    (folder / _FILE).unlink(missing_ok=True)
