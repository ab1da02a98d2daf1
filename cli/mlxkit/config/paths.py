"""Where the configuration and the state of a project are."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ..dataclass import dataclass
from ..errors import ConfigError, MlxError
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
        try:
            here = Path.cwd()
        except OSError:  # it was deleted
            return str(self.config_path)
        return CONFIG_NAME if self.config_path == here / CONFIG_NAME else str(self.config_path)


def find_project(cwd: Path | None = None) -> Project:
    """Find the configuration: MLX_CONFIG, else the nearest mlx.yaml upward, else the user's own.

    One that was only come upon has to belong to this user or to root: it says where credentials are sent.
    """
    named = named_project()
    if named:
        return named
    here = (cwd or working_folder()).absolute()
    for folder in (here, *here.parents):
        path = folder / CONFIG_NAME
        if os.path.lexists(path):
            _check_owner(path)
            return Project(path, _state_dir(path), "project")
    path = user_config_dir() / CONFIG_NAME
    return Project(path, _state_dir(path), "user")


def named_project() -> Project | None:
    """The project that MLX_CONFIG names, whoever owns it, or None."""
    named = os.environ.get("MLX_CONFIG")
    if not named:
        return None
    path = _absolute(named, "MLX_CONFIG")
    return Project(path, _state_dir(path), "MLX_CONFIG")


def working_folder() -> Path:
    """The working directory, or a plain word about one that was deleted."""
    try:
        return Path.cwd()
    except OSError as error:
        raise MlxError(f"the working directory cannot be used: {error.strerror}", hint="cd ~") from error


def project_at(config_path: Path) -> Project:
    """The project whose configuration is this file, which need not exist."""
    return Project(config_path, _state_dir(config_path), "project")


def lock_path(project: Project) -> Path:
    """The file to lock before `mlx.yaml` is changed: the same one for every link to that file."""
    return _state_dir(followed(project.config_path)) / "config.lock"


def followed(path: Path) -> Path:
    """Where the links of a path lead to; one that leads to itself stays as it is."""
    return Path(os.path.realpath(path))


def ensure_state_dir(project: Project) -> Path:
    """Make the state folder, private and ignored by git, and return it."""
    return private_state_dir(project.state_dir)


def private_state_dir(path: Path) -> Path:
    """Make `path` a private folder that git ignores."""
    ignore = path / ".gitignore"
    if not os.path.lexists(ignore):
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


def user_cache_dir() -> Path:
    """The folder of copies that can be had again; the caller makes it."""
    home = _mlx_home()
    return home / "cache" if home else _user_dir("XDG_CACHE_HOME", ".cache", "user_cache_dir")


def _state_dir(config_path: Path) -> Path:
    named = os.environ.get("MLX_STATE")  # of a job that belongs to a project of this machine
    if named:
        return _absolute(named, "MLX_STATE")
    user = user_config_dir() / CONFIG_NAME
    if config_path in (user, followed(user)):
        return user_data_dir()
    return config_path.parent / STATE_NAME


def _mlx_home() -> Path | None:
    home = os.environ.get("MLX_HOME")
    return _absolute(home, "MLX_HOME") if home else None


def _absolute(text: str, variable: str) -> Path:
    try:
        path = Path(text).expanduser()
    except RuntimeError:
        raise ConfigError(f"{variable}: {text} names the home of a user that is not known") from None
    return path if path.is_absolute() else working_folder() / path


def _check_owner(path: Path) -> None:
    """Refuse a file, or a link, that another user has put in the way."""
    import shlex

    if not hasattr(os, "geteuid"):
        return
    for follow in (False, True):
        try:
            owner = path.stat(follow_symlinks=follow).st_uid
        except OSError:  # reading it says what is wrong
            return
        if owner not in (0, os.geteuid()):
            raise ConfigError(
                f"{path} belongs to {_user(owner)}, not to you: a configuration says where credentials are sent",
                hint=f"MLX_CONFIG={shlex.quote(str(path))} mlx ..., if you trust it",
            )


def _user(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _user_dir(variable: str, default: str, elsewhere: str) -> Path:
    if sys.platform in ("win32", "darwin"):
        import platformdirs

        return Path(getattr(platformdirs, elsewhere)("mlx", appauthor=False))
    base = Path(os.environ.get(variable, ""))
    if not base.is_absolute():  # the XDG rule: a relative value counts as unset
        base = Path.home() / default
    return base / "mlx"
