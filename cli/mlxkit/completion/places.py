"""Where the configuration and the state are, by the rule of `config/paths.py`, with nothing imported.

A test holds the two against each other.
"""

from __future__ import annotations

import os
import stat
import sys

CONFIG_NAME = "mlx.yaml"
STATE_NAME = ".mlx"


def find() -> tuple[str, str]:
    """Return the configuration file, which may not exist, and the state folder; raises OSError."""
    named = os.environ.get("MLX_CONFIG")
    if named:
        path = _absolute(named)
        return path, _state_dir(path)
    folder = os.getcwd()
    while True:
        path = os.path.join(folder, CONFIG_NAME)
        if os.path.lexists(path):
            _check_owner(path)
            return path, _state_dir(path)
        above = os.path.dirname(folder)
        if above == folder:
            break
        folder = above
    path = os.path.join(user_config_dir(), CONFIG_NAME)
    return path, _state_dir(path)


def user_config_dir() -> str:
    """Return the folder of the user's own mlx.yaml."""
    home = os.environ.get("MLX_HOME")
    return _absolute(home) if home else _user_dir("XDG_CONFIG_HOME", ".config")


def user_data_dir() -> str:
    """Return the folder of what belongs to the user and to no project."""
    home = os.environ.get("MLX_HOME")
    return os.path.join(_absolute(home), "data") if home else _user_dir("XDG_DATA_HOME", ".local/share")


def read(path: str, most: int = 1 << 20) -> str:
    """Return the text of an ordinary file, or the beginning of a long one; raises OSError, and never waits."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(path)
        return os.read(descriptor, most).decode("utf-8", "replace")
    finally:
        os.close(descriptor)


def _state_dir(config_path: str) -> str:
    user = os.path.join(user_config_dir(), CONFIG_NAME)
    if config_path in (user, os.path.realpath(user)):
        return user_data_dir()
    return os.path.join(os.path.dirname(config_path), STATE_NAME)


def _absolute(text: str) -> str:
    path = os.path.expanduser(text)
    return path if os.path.isabs(path) else os.path.join(os.getcwd(), path)


def _check_owner(path: str) -> None:
    """Refuse a file that another user has put in the way, as every other command does."""
    if hasattr(os, "geteuid"):
        for found in (os.lstat(path), os.stat(path)):
            if found.st_uid not in (0, os.geteuid()):
                raise PermissionError(path)


def _user_dir(variable: str, default: str) -> str:
    if sys.platform == "darwin":
        return os.path.expanduser("~/Library/Application Support/mlx")
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA") or os.path.expanduser("~\\AppData\\Local")
        return os.path.join(local, "mlx")
    base = os.environ.get(variable, "")
    return os.path.join(
        base if os.path.isabs(base) else os.path.join(os.path.expanduser("~"), default), "mlx"
    )
