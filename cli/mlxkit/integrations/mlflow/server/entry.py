"""What was asked of a server, as `tracker.json` in its folder holds it; credentials are references."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from ....config.entryfile import read_own_json
from ....dataclass import dataclass
from ....errors import ConfigError
from ....stacks.listening import reached_at

FILE = "tracker.json"
ADMIN = "admin"
_SCHEMA = 1


@dataclass(frozen=True)
class ServerEntry:
    """One server: `backend` may hold references, `certificate` and `key` are paths and empty without TLS."""

    name: str
    host: str
    port: int
    backend: str
    artifacts: str
    secret: str
    allowed_hosts: tuple[str, ...] = ()
    certificate: str = ""
    key: str = ""
    created: str = ""

    @property
    def url(self) -> str:
        """The address under which this machine reaches it."""
        host = reached_at(self.host)
        return (
            f"{'https' if self.certificate else 'http'}://{f'[{host}]' if ':' in host else host}:{self.port}"
        )

    def dumped(self) -> bytes:
        """Return the content of `tracker.json`."""
        return (json.dumps({"schema_version": _SCHEMA, **asdict(self)}, indent=2) + "\n").encode()


def read_entry(folder: Path) -> ServerEntry:
    """Read and check `tracker.json`; raises ConfigError, and FileNotFoundError when there is none."""
    path = folder / FILE
    data = read_own_json(path, schema=_SCHEMA)
    values: dict[str, Any] = {}
    for item in fields(ServerEntry):
        value = data.get(item.name)
        if item.name == "allowed_hosts":
            fits = isinstance(value, list) and all(isinstance(host, str) for host in value)
            value = tuple(value) if isinstance(value, list) else ()
        elif item.name == "port":
            fits = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536
        else:
            fits = isinstance(value, str)
        if not fits:
            raise ConfigError(f"{path}: {item.name} is missing or not valid")
        values[item.name] = value
    entry = ServerEntry(**values)
    if entry.name != folder.name:
        raise ConfigError(f"{path}: name is {entry.name!r}, and the folder says {folder.name!r}")
    return entry
