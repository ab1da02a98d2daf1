"""What a machine tells others of itself: who works on it, and none of its folders."""

from __future__ import annotations

import getpass
import os
import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any


def who() -> str:
    """Return the user and the machine, as `user@host`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container whose user has no name
        user = str(os.getuid()) if hasattr(os, "getuid") else "unknown"
    return f"{user}@{socket.gethostname()}"


def portable(value: Any, root: Path | None) -> Any:
    """Return plain data in which paths below the project and the home folder begin with `.` and `~`."""
    places = [(_path(root), ".")] if root is not None else []
    with suppress(RuntimeError):  # a user without one
        home = Path.home()
        if home != home.parent:
            places.append((_path(home), "~"))
    return _without(value, places)


def _path(folder: Path) -> re.Pattern[str]:
    """Return what finds a folder in a text as a path: not amid a longer name, nor in the address of a server."""
    return re.compile(rf"(?:(?<![\w.~/\\-])|(?<=file://)|(?<=:///)){re.escape(str(folder))}(?![\w-]|\.\w)")


def _without(value: Any, places: list[tuple[re.Pattern[str], str]]) -> Any:
    if isinstance(value, str):
        for folder, stands_for in places:
            value = folder.sub(stands_for, value)
        return value
    if isinstance(value, Mapping):
        return {key: _without(item, places) for key, item in value.items()}
    if isinstance(value, list):
        return [_without(item, places) for item in value]
    return value
