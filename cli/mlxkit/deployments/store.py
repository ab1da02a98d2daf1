"""The deployments of a project on disk: one folder each, with what was asked in `deployment.json`."""

from __future__ import annotations

import builtins
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..config.entryfile import remove_kept
from ..config.files import make_private_dir, remove_leftovers, write_atomic
from ..config.locks import one_at_a_time
from ..config.names import name_problem
from ..dataclass import dataclass
from ..errors import ConfigError, NotFoundError, did_you_mean
from .entries import FILE, MODELS, DeploymentEntry, read_entry

_LOCKS = ".locks"
_PATIENCE = 2.0  # seconds to wait for another command that changes the same deployment

__all__ = ["BrokenDeployment", "DeploymentEntry", "DeploymentStore"]


@dataclass(frozen=True)
class BrokenDeployment:
    """A deployment whose `deployment.json` cannot be read."""

    name: str
    folder: Path
    problem: str


class DeploymentStore:
    """Reads and writes the deployments under a state folder; asks neither the registry nor the servers."""

    def __init__(self, state_dir: Path) -> None:
        self.folder = state_dir / "deployments"

    def list(self) -> list[DeploymentEntry]:
        """Return the deployments that can be read, by name."""
        return [found for found in self.read_all() if isinstance(found, DeploymentEntry)]

    def read_all(self) -> builtins.list[DeploymentEntry | BrokenDeployment]:
        """Return every deployment by name, those that cannot be read included."""
        found: builtins.list[DeploymentEntry | BrokenDeployment] = []
        for name in self.names():
            try:
                found.append(read_entry(self.folder / name))
            except FileNotFoundError:  # deleted since
                continue
            except ConfigError as error:
                found.append(BrokenDeployment(name, self.folder / name, error.message))
        return found

    def names(self) -> builtins.list[str]:
        """Return the names of all deployments; a folder without `deployment.json` is one that is being made."""
        try:
            inside = sorted(path.name for path in self.folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [
            name for name in inside if not name_problem(name) and os.path.lexists(self.folder / name / FILE)
        ]

    def get(self, name: str) -> DeploymentEntry:
        """Return one deployment; raises NotFoundError, and ConfigError for a broken file."""
        self.check_exists(name)
        try:
            return read_entry(self.folder / name)
        except FileNotFoundError:
            raise self._missing(name) from None
        except ConfigError as error:
            raise ConfigError(error.message, hint=f"mlx deployment delete {name}") from error

    def check_exists(self, name: str) -> None:
        """Raise NotFoundError when there is no deployment of that name."""
        if name not in self.names():
            raise self._missing(name)

    def write(self, entry: DeploymentEntry) -> None:
        """Write what was asked of a deployment; the caller holds its lock."""
        write_atomic(entry.folder / FILE, entry.dumped())

    def new_folder(self, name: str) -> Path:
        """Make the folder of a deployment that does not exist; the caller holds its lock."""
        folder = self.folder / name
        make_private_dir(folder / MODELS)
        return folder

    def remove(self, name: str) -> None:
        """Remove a deployment with its files; first what says that it is there."""
        remove_kept(self.folder / name / FILE)

    def keep_only(self, entry: DeploymentEntry) -> None:
        """Remove the files of versions that the deployment does not serve any more."""
        remove_leftovers(entry.folder / FILE)
        for path in (entry.folder / MODELS).iterdir():
            if path.name != entry.files:
                shutil.rmtree(path, ignore_errors=True)

    @contextmanager
    def changing(self, name: str) -> Iterator[None]:
        """Hold the lock of one deployment; raises InUseError when another command does for longer than a moment."""
        with one_at_a_time(
            self.folder / _LOCKS / f"{name}.lock",
            timeout=_PATIENCE,
            busy=f"another command is changing deployment {name!r} right now",
            hint="mlx deployment list",
        ):
            yield

    def _missing(self, name: str) -> NotFoundError:
        names = self.names()
        return NotFoundError(
            f"no deployment named {name!r}{did_you_mean(name, names)}",
            hint="mlx deployment list" if names else "mlx model deploy NAME",
        )
