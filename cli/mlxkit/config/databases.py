"""SQLite files opened to be read, also where nothing can be written."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

_PATIENCE = 20.0  # seconds to wait for another process


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Open a database that exists; it is not made, and nothing in it can be changed. Raises sqlite3.Error.

    Reading one that keeps a log (WAL) makes files beside it. Where that cannot be, the file is read as it lies
    there, which is all of it unless what others wrote is still in the log.
    """
    try:
        return _opened(
            path, "mode=rw"
        )  # a file that may only be read is opened for that; `ro` leaves a log behind
    except sqlite3.OperationalError:
        if _can_write(path) or _has_log(path):
            raise
        return _opened(path, "mode=ro&immutable=1")


def why_not(path: Path) -> str | None:
    """Say what the user may not do with a database: read it, or write it; None when that is not what is wrong."""
    if not os.access(path.parent, os.X_OK) or (path.exists() and not os.access(path, os.R_OK)):
        return f"{path} cannot be read by this user"
    if not _can_write(path):
        return f"{path.parent} cannot be written by this user"
    return None


def _opened(path: Path, how: str) -> sqlite3.Connection:
    uri = f"file:{quote(str(path.absolute()))}?{how}"
    link = sqlite3.connect(uri, uri=True, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
    try:
        link.execute("PRAGMA query_only = ON")
        link.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()  # only now is the file looked at
    except BaseException:
        link.close()
        raise
    return link


def _can_write(path: Path) -> bool:
    return os.access(path.parent, os.W_OK) and (not path.exists() or os.access(path, os.W_OK))


def _has_log(path: Path) -> bool:
    for suffix in ("-wal", "-journal"):
        with contextlib.suppress(OSError):
            if path.with_name(path.name + suffix).stat().st_size:
                return True
    return False
