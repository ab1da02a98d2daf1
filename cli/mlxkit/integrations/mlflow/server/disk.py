"""Whether a folder or a database could be made on this machine; what is asked for is not made to find out."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

_SQLITE = b"SQLite format 3\0"


def folder_problem(path: Path) -> str | None:
    """Say why nothing can be written to a folder that may be there or not, or None when it can."""
    there = path
    while not os.path.lexists(there) and there != there.parent:
        there = there.parent
    if not there.is_dir():
        return f"{there} is no folder"
    if not os.access(there, os.W_OK | os.X_OK) or not _takes_files(there):
        return f"nothing can be written to {there}"
    return None


def database_problem(path: Path) -> str | None:
    """Say why a file cannot be a SQLite database, or become one, or None when it can."""
    if not os.path.lexists(path):
        return folder_problem(path.parent)
    if not path.is_file():
        return f"{path} is not a database"
    try:
        with path.open("rb") as file:
            begin = file.read(len(_SQLITE))
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    return f"{path} is not a database" if begin not in (b"", _SQLITE) else None


def _takes_files(folder: Path) -> bool:
    """Say whether a file system takes files; of one without a size, such as /proc, only trying tells it."""
    if not hasattr(os, "statvfs"):
        return True
    found = os.statvfs(folder)
    if found.f_flag & os.ST_RDONLY:
        return False
    if found.f_blocks:
        return True
    try:
        Path(tempfile.mkdtemp(dir=folder)).rmdir()
    except OSError:
        return False
    return True
