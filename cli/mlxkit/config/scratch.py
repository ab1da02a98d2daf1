"""Folders that last as long as their process: private, and swept when it was killed before it could remove them."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

_LONGEST = (
    30  # characters: Ray adds some 75 for its sockets, and 107 are the most that a socket's path may have
)


def scratch_folder(what: str) -> Path:
    """Make a folder that only this user can enter; those of the same name whose processes are gone are removed."""
    sweep(what)
    return Path(tempfile.mkdtemp(prefix=f"{_prefix(what)}{os.getpid()}-", dir=scratch_parent()))


def remove_folder(folder: Path) -> None:
    """Remove the folder, whatever in it cannot be removed."""
    shutil.rmtree(folder, ignore_errors=True)


def sweep(what: str) -> None:
    """Remove what processes left that were killed before they could."""
    if not hasattr(os, "getuid"):  # Windows, where asking for a process ends it
        return
    for folder in scratch_parent().glob(f"{_prefix(what)}*"):
        owner = folder.name.removeprefix(_prefix(what)).partition("-")[0]
        with contextlib.suppress(OSError):
            if owner.isdigit() and folder.stat().st_uid == os.getuid() and not _lives(int(owner)):
                remove_folder(folder)


def is_scratch(folder: Path, what: str) -> bool:
    """Say whether a folder is one of these, by its name."""
    return folder.name.startswith(_prefix(what))


def scratch_parent() -> Path:
    """Return the folder that these are in, whose path is short."""
    usual = tempfile.gettempdir()
    return Path(usual if len(usual) <= _LONGEST else "/tmp")  # noqa: S108  # the folder in it is private


def _prefix(what: str) -> str:
    return f"mlx-{what}-"


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
