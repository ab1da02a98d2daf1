"""The folder of a cluster that is started for a run: short, private, and swept when its run was killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

_PREFIX = "mlx-ray-"
_LONGEST = (
    30  # characters: Ray adds some 75 for its sockets, and 107 are the most that a socket's path may have
)


def private_folder() -> Path:
    """Make a folder that only this user can enter; its name says which process it belongs to."""
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=_parent()))


def remove_folder(folder: Path) -> None:
    """Remove the folder, whatever in it cannot be removed."""
    shutil.rmtree(folder, ignore_errors=True)


def sweep() -> None:
    """Remove what runs left that were killed before they could."""
    for folder in _parent().glob(f"{_PREFIX}*"):
        owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
        with contextlib.suppress(OSError):
            if owner.isdigit() and folder.stat().st_uid == os.getuid() and not _lives(int(owner)):
                remove_folder(folder)


def _parent() -> Path:
    usual = tempfile.gettempdir()
    return Path(usual if len(usual) <= _LONGEST else "/tmp")  # noqa: S108  # the folder in it is private


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
