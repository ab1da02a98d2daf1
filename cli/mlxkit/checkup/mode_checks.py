"""Who else may read or change the files of a project and of its user."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from ..config.paths import Project, user_data_dir
from .findings import Finding

_PRIVATE = ("history.db", "active_stack", "mlflow", "artifacts", "logs", "deployments", "servers", "sources")
_SECRETS = ("secrets.json", "secrets.enc")


def check_modes(project: Project) -> Iterator[Finding]:
    """Look at the configuration, the state folder and the files of secrets."""
    if os.name != "posix":
        yield Finding("file modes", "ok", "access is what Windows gives to your profile")
        return
    found = False
    for path, others in _places(project):
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError:
            continue
        if mode & others:
            found = True
            fixed = f"{'go-w' if others == 0o022 else 'go='}"
            what = "changed" if others == 0o022 else "read"
            yield Finding("file modes", "fail", f"{path} can be {what} by others (mode {mode:03o})", f"chmod {fixed} {shlex.quote(str(path))}")  # fmt: skip
    if not found:
        yield Finding("file modes", "ok", "state and secrets are yours alone")


def _places(project: Project) -> Iterator[tuple[Path, int]]:
    """Yield each path with the bits that nobody else may have."""
    yield project.config_path, 0o022
    yield project.state_dir, 0o077
    for name in _PRIVATE:
        yield project.state_dir / name, 0o077
    for name in _SECRETS:
        yield user_data_dir() / name, 0o077
