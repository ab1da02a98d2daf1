"""The traceback of an unexpected error, kept for the person who is asked about it."""

from __future__ import annotations

import os
import time
from pathlib import Path

from .files import NotWritableError, make_private_dir, write_atomic
from .paths import user_data_dir

_KEPT = 20


def write_crash_log(text: str) -> Path:
    """Write `text`, which the caller has masked, to a private file of its own and return its path."""
    data = text.encode("utf-8", "replace")
    try:
        folder = make_private_dir(user_data_dir() / "crashes")
        path = folder / f"{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}.log"
        write_atomic(path, data)
        for old in sorted(folder.glob("*.log"))[:-_KEPT]:
            old.unlink(missing_ok=True)
    except (NotWritableError, OSError):  # a full disk or a read-only home must not hide the crash itself
        return _in_temporary_folder(data)
    return path


def _in_temporary_folder(data: bytes) -> Path:
    import tempfile

    descriptor, name = tempfile.mkstemp(prefix="mlx-crash-", suffix=".log")
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    return Path(name)
