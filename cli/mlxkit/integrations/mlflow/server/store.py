"""The servers of a project on disk: one folder each under `.mlx/servers`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from ....config.entryfile import remove_kept
from ....config.files import make_private_dir
from ....config.locks import one_at_a_time
from ....config.names import name_problem
from ....config.paths import Project, ensure_state_dir
from ....errors import ConfigError, InUseError
from ....stacks.addresses import is_loopback
from ....stacks.components import ComponentService
from .entry import FILE, read_entry

UNFINISHED = "deploying.json"
_LOCKS = ".locks"
_PATIENCE = 240.0  # seconds: another command may be starting the same server


class ServerStore:
    """Finds the folders of servers, and lets one command at a time change one."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.root = project.state_dir / "servers"

    def folder(self, name: str) -> Path:
        """Return the folder of a server, which need not exist."""
        return (self.root / name).absolute()

    def names(self) -> list[str]:
        """Return the names of all servers, of those whose deployment was interrupted too."""
        try:
            inside = sorted(path.name for path in self.root.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [name for name in inside if not name_problem(name) and self._is_listed(name)]

    def is_unfinished(self, name: str) -> bool:
        """Say whether a server is being deployed, or its deployment was interrupted."""
        return os.path.lexists(self.root / name / UNFINISHED)

    def ports(self, *, besides: str = "") -> set[int]:
        """Return the ports of this machine that servers and trackers have, of those that do not run too.

        A tracker that is reached through a tunnel would send its password to whatever else listens there; `besides`
        names one that does not count.
        """
        found = set()
        for tracker in ComponentService(self.project).list("experiment_tracker"):
            address = tracker.attributes.get("tracking_uri") or ""
            with suppress(ValueError):
                split = urlsplit(address)
                if tracker.name != besides and split.port and is_loopback(split.hostname or ""):
                    found.add(split.port)
        for name in self.names():
            with suppress(ConfigError, FileNotFoundError):
                found.add(read_entry(self.root / name).port)
        return found

    @contextmanager
    def changing(self, name: str, *, patience: float = _PATIENCE) -> Iterator[None]:
        """Hold the lock of one server; raises InUseError when another command does for longer."""
        ensure_state_dir(self.project)
        with one_at_a_time(
            make_private_dir(self.root / _LOCKS) / f"{name}.lock",
            timeout=patience,
            busy=f"another command is changing the server of {name!r} right now",
            hint="mlx tracker status",
        ):
            yield

    def _is_listed(self, name: str) -> bool:
        """Say whether there is a server, and not one that a command is deploying right now."""
        if not self.is_unfinished(name):
            return os.path.lexists(self.root / name / FILE)
        with suppress(InUseError), self.changing(name, patience=0):
            return self.is_unfinished(name) or os.path.lexists(self.root / name / FILE)
        return False

    def remove(self, name: str) -> None:
        """Remove the folder of a server; first what says that it is there."""
        remove_kept(self.folder(name) / FILE)
