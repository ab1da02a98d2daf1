"""The log of a server: everything that it, its workers and the model in them write, without the token."""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from pathlib import Path

from ....config import logfiles
from ....errors import MlxError
from ....secrets.masker import ByteMasker
from .state import LOG

_LARGEST = 5 * 1024 * 1024
_QUOTED = 8
_SHOWN = 20  # lines that an error quotes at most


class Log:
    """Append to `server.log`; what is over 5 MB is set aside as `server.log.1`.

    What cannot be written (a full disk, a folder that is gone) is lost: the server goes on.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1
        self._open()

    def write(self, data: bytes) -> None:
        """Append bytes that are masked already."""
        with contextlib.suppress(OSError):
            if self._descriptor < 0:
                self._open()
            while data and self._descriptor >= 0:
                data = data[os.write(self._descriptor, data) :]
            if os.fstat(self._descriptor).st_size > _LARGEST:
                self._open()

    def say(self, line: str) -> None:
        """Append a line of the supervisor's own."""
        self.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} mlx: {line}\n".encode())

    def _open(self) -> None:
        before = self._descriptor
        with contextlib.suppress(OSError):
            rotate(self._path)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._descriptor = os.open(self._path, flags, 0o600)
            if before >= 0:
                os.close(before)


class Output:
    """What one worker writes: masked, and its last lines kept for the error that may quote them."""

    def __init__(self, log: Log, secrets: list[str]) -> None:
        self._log = log
        self._masker = ByteMasker(secrets)
        self._lines: deque[bytes] = deque(maxlen=_SHOWN)
        self._partial = b""

    def feed(self, data: bytes) -> None:
        """Take the next piece."""
        self._take(self._masker.feed(data))

    def finish(self) -> None:
        """Take it that nothing more comes."""
        self._take(self._masker.finish())

    def tail(self) -> list[str]:
        """Return the last lines."""
        lines = [*self._lines, *([self._partial] if self._partial else [])]
        return [line.decode(errors="replace").rstrip() for line in lines]

    def _take(self, shown: bytes) -> None:
        if not shown:
            return
        self._log.write(shown)
        *whole, self._partial = (self._partial + shown).split(b"\n")
        self._partial = self._partial[-4096:]
        self._lines.extend(line for line in whole if line.strip())


def rotate(path: Path) -> None:
    """Set a log that has grown large aside; the one that was set aside before is gone."""
    try:
        if path.stat().st_size > _LARGEST:
            path.replace(logfiles.set_aside(path))
    except FileNotFoundError:
        pass


def last_lines(path: Path, count: int = 10) -> list[str]:
    """Return the last lines of a log that say something."""
    return [line.rstrip() for line in logfiles.last_lines(path, 4 * count) if line.strip()][-count:]


def not_served(folder: Path, reason: str) -> MlxError:
    """Return the error that shows why; a reason of one line is followed by the end of the log."""
    if "\n" not in reason:
        reason = "\n".join([reason, *(f"  {line}" for line in last_lines(folder / LOG, _QUOTED))])
    return MlxError(f"the model is not served: {reason}", hint=f"see {folder / LOG}")
