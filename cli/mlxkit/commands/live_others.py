"""Who else has the terminal just now: what moves on it must not go on under a question that somebody asks there.

There is no way to see what stands on a terminal. So nothing is drawn while a child process can write there, while
the terminal does not echo, or while `/dev/tty` is open in this process: a password is asked for, an editor is open, a
progress bar moves. Workers, which are this program again, do not count: they live as long as the run and ask nothing.
"""

from __future__ import annotations

import os
import termios
from contextlib import suppress
from pathlib import Path

_MODES = termios.ECHO | termios.ICANON
_WORKERS = (b"multiprocessing", b"loky")  # where they are started anew: of the standard library, of joblib


class Others:
    """Everybody but us on one terminal; no method raises."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._modes = self._modes_now()
        self._devices = {device for place in (descriptor, "/dev/tty") if (device := _device(place))}

    def are_busy(self) -> bool:
        """Say whether somebody else may be writing or asking there now."""
        return bool(self._modes & ~self._modes_now()) or self._has_opened() or self._has_child()

    def _modes_now(self) -> int:
        try:
            return int(termios.tcgetattr(self._descriptor)[3]) & _MODES
        except (termios.error, OSError, ValueError):
            return _MODES

    def _has_opened(self) -> bool:
        """Say whether this process has opened the terminal by its name."""
        tty = _device("/dev/tty")
        with suppress(OSError):
            return any(_device(int(name)) == tty for name in os.listdir("/dev/fd") if tty)  # noqa: PTH208
        return False

    def _has_child(self) -> bool:
        if not _has_children():
            return False
        try:
            tasks = list(Path("/proc/self/task").iterdir())
            pids = [pid for task in tasks for pid in (task / "children").read_text().split()]
            own = Path("/proc/self/cmdline").read_bytes()
        except OSError:  # this system does not tell which
            return not Path("/proc/self/task").is_dir()
        return any(self._is_on_it(pid, own) for pid in pids)

    def _is_on_it(self, pid: str, own: bytes) -> bool:
        folder = f"/proc/{pid}"
        try:
            words = Path(folder, "cmdline").read_bytes()
            if not words or words == own or any(name in words for name in _WORKERS):  # ended, or a worker
                return False
            return any(
                _device(f"{folder}/fd/{name}") in self._devices
                for name in os.listdir(f"{folder}/fd")  # noqa: PTH208
                if name != "0"  # what only reads has asked nothing
            )
        except PermissionError:  # it is another user's, as sudo is, which asks for a password
            return True
        except OSError:  # it ended
            return False


def _has_children() -> bool:
    """Say whether there is a child process, without taking the end of one from who waits for it."""
    if not hasattr(os, "waitid"):
        return False
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except OSError:
        return False
    return True


def _device(place: int | str) -> int:
    """Return the number of the device that is open or has a name; 0 where there is none."""
    try:
        return os.stat(place).st_rdev  # noqa: PTH116
    except OSError:
        return 0
