"""What was asked of a deployment, as `deployment.json` holds it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from ..config.entryfile import read_own_json
from ..config.names import name_problem
from ..dataclass import dataclass
from ..errors import ConfigError

FILE = "deployment.json"
MODELS = "models"
DEFAULT_MAX_BODY = 32 * 1024 * 1024
DEFAULT_READY_WITHIN = 60.0
MOST_WORKERS = 256
LARGEST_BODY = 2**40
LONGEST_READY = 24 * 3600.0  # seconds
_SCHEMA = 1


@dataclass(frozen=True)
class DeploymentEntry:
    """One deployment: `model` and `version` are what it serves, `reference` what was asked for.

    `tracker` is the one whose registry the model is in, when that is not the stack's.
    `port` is the one that was asked for (0: any), `served_port` the one it has; `files` names the folder under
    `models/` with the version's files. The token is a reference to a secret.
    """

    name: str
    model: str
    version: int
    reference: str
    folder: Path
    files: str
    host: str = "127.0.0.1"
    port: int = 0
    served_port: int = 0
    workers: int = 1
    max_body: int = DEFAULT_MAX_BODY
    ready_within: float = DEFAULT_READY_WITHIN
    token: str | None = None
    stack: str = ""
    tracker: str = ""
    pipeline: str = ""
    run: str = ""
    step: str = ""
    created: str = ""
    updated: str = ""

    @property
    def model_dir(self) -> Path:
        """The folder with the files of the version."""
        return self.folder / MODELS / self.files

    def dumped(self) -> bytes:
        """Return the content of `deployment.json`."""
        data = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "folder"}
        return (json.dumps({"schema_version": _SCHEMA, **data}, indent=2, ensure_ascii=False) + "\n").encode()


def read_entry(folder: Path) -> DeploymentEntry:
    """Read and check `deployment.json`; raises ConfigError, or FileNotFoundError when there is none."""
    path = folder / FILE
    return _checked(path, folder, read_own_json(path, schema=_SCHEMA))


def _checked(path: Path, folder: Path, data: Mapping[str, Any]) -> DeploymentEntry:
    values: dict[str, Any] = {}
    for item in fields(DeploymentEntry):
        if item.name == "folder" or (item.name not in data and item.name not in _NEEDED):
            continue
        if item.name not in data:
            raise ConfigError(f"{path}: {item.name} is missing")
        values[item.name] = _value(path, item.name, data[item.name])
    entry = DeploymentEntry(folder=folder, **values)
    if entry.name != folder.name:
        raise ConfigError(f"{path}: name is {entry.name!r}, and the folder says {folder.name!r}")
    if name_problem(entry.files):  # it is joined to a path whose folders are removed
        raise ConfigError(f"{path}: files {name_problem(entry.files)}")
    return entry


def _value(path: Path, name: str, value: Any) -> Any:
    kind, least, most = _RULES.get(name, (str, None, None))
    if name == "token" and value is None:
        return None
    fits = isinstance(value, (int, float) if kind is float else kind) and not isinstance(value, bool)
    if not fits or (least is not None and not value >= least) or (most is not None and not value <= most):
        raise ConfigError(f"{path}: {name} is not valid: {str(value)[:80]!r}")
    return value


_NEEDED = ("name", "model", "version", "reference", "files")
_RULES: dict[str, tuple[type, float | None, float | None]] = {
    "version": (int, 1, None),
    "port": (int, 0, 65535),
    "served_port": (int, 0, 65535),
    "workers": (int, 1, MOST_WORKERS),
    "max_body": (int, 1, LARGEST_BODY),
    "ready_within": (float, 0, LONGEST_READY),
}
