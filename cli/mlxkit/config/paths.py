"""Where the configuration and the state of a project are."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from .files import make_private_dir, write_atomic

CONFIG_NAME = "mlx.yaml"
STATE_NAME = ".mlx"


@dataclass(frozen=True)
class Project:
    """One configuration file, which may not exist yet, and the folder with the state that belongs to it."""

    config_path: Path
    state_dir: Path
    origin: str  # 'MLX_CONFIG', 'project' or 'user'

    @property
    def shown(self) -> str:
        """The configuration file as messages name it: short when it is in the working directory."""
        return CONFIG_NAME if self.config_path == Path.cwd() / CONFIG_NAME else str(self.config_path)


def find_project(cwd: Path | None = None) -> Project:
    """Find the configuration: MLX_CONFIG, else the nearest mlx.yaml upward, else the user's own."""
    named = os.environ.get("MLX_CONFIG")
    if named:
        path = Path(named).expanduser().absolute()
        return Project(path, _state_dir(path), "MLX_CONFIG")
    here = (cwd or Path.cwd()).absolute()
    for folder in (here, *here.parents):
        path = folder / CONFIG_NAME
        if os.path.lexists(path):
            return Project(path, _state_dir(path), "project")
    path = user_config_dir() / CONFIG_NAME
    return Project(path, _state_dir(path), "user")


def project_at(config_path: Path) -> Project:
    """The project whose configuration is this file, which need not exist."""
    return Project(config_path, _state_dir(config_path), "project")


def lock_path(project: Project) -> Path:
    """The file to lock before `mlx.yaml` is changed: the same one for every link to that file."""
    return _state_dir(project.config_path.resolve()) / "config.lock"


def ensure_state_dir(project: Project) -> Path:
    """Make the state folder, private and ignored by git, and return it."""
    return private_state_dir(project.state_dir)


def private_state_dir(path: Path) -> Path:
    """Make `path` a private folder that git ignores."""
    ignore = path / ".gitignore"
    if not ignore.exists():
        make_private_dir(path)
        write_atomic(ignore, b"*\n")
    return path


def user_config_dir() -> Path:
    """The folder of the user's own mlx.yaml."""
    home = _mlx_home()
    return home if home else _user_dir("XDG_CONFIG_HOME", ".config", "user_config_dir")


def user_data_dir() -> Path:
    """The folder of what belongs to the user and to no project; the caller makes it."""
    home = _mlx_home()
    return home / "data" if home else _user_dir("XDG_DATA_HOME", ".local/share", "user_data_dir")


def _state_dir(config_path: Path) -> Path:
    user = user_config_dir() / CONFIG_NAME
    if config_path in (user, user.resolve()):
        return user_data_dir()
    return config_path.parent / STATE_NAME


def _mlx_home() -> Path | None:
    home = os.environ.get("MLX_HOME")
    return Path(home).expanduser().absolute() if home else None


def _user_dir(variable: str, default: str, elsewhere: str) -> Path:
    if sys.platform in ("win32", "darwin"):
        import platformdirs

        return Path(getattr(platformdirs, elsewhere)("mlx", appauthor=False))
    base = Path(os.environ.get(variable, ""))
    if not base.is_absolute():  # the XDG rule: a relative value counts as unset
        base = Path.home() / default
    return base / "mlx"
