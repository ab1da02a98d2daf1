"""Read an ordinary file, and never wait for one that is none."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ..errors import ConfigError

MAX_BYTES = 64 << 20


def read_regular_file(path: Path, shown: str, *, limit: int = MAX_BYTES) -> bytes | None:
    """Read an ordinary file; None when there is none. Never waits, as reading a FIFO would."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        if path.is_symlink():
            raise ConfigError(f"{shown} is a link to {path.readlink()}, which does not exist") from None
        return None
    except OSError as error:
        raise ConfigError(f"cannot read {shown}: {_reason(path, error)}") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise ConfigError(f"{shown} is {_what_is(status.st_mode)}, not a file")
    with os.fdopen(descriptor, "rb") as file:
        if status.st_size > limit:
            raise ConfigError(
                f"{shown} is {status.st_size / 1_048_576:.1f} MiB; more than {limit // 1024} KiB is refused"
            )
        return file.read(limit + 1)


def _what_is(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a folder"
    return "a named pipe" if stat.S_ISFIFO(mode) else "a device or socket"


def _reason(path: Path, error: OSError) -> str:
    return "it is a folder" if os.path.isdir(path) else str(error.strerror)  # noqa: PTH112 - never raises
