"""Workers that are started cold: where a copy of the driver is not safe, and on macOS."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress


class SpawnedWorkers:
    """Starts worker processes; `on_end` is called from a thread with the number and the exit status of each."""

    def __init__(self, on_end: Callable[[int, int], None]) -> None:
        self._on_end = on_end
        self._lock = threading.Lock()
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._threads: dict[int, threading.Thread] = {}

    def start(self, number: int, environment: Mapping[str, str], channel: int, output: int) -> None:
        """Start a worker that has these two descriptors, and the environment of the driver with these changes."""
        safe = ["-P"] if sys.version_info >= (3, 11) else []  # the working directory hides no module
        process = subprocess.Popen(
            [sys.executable, *safe, *_flags(), "-m", __package__ or "", str(channel)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=(channel,),
            env={**os.environ, **environment},
            start_new_session=True,
        )
        thread = threading.Thread(target=self._wait, args=(number, process), name="mlx-wait", daemon=True)
        with self._lock:
            self._processes[number] = process
            self._threads[number] = thread
        thread.start()

    def signal(self, number: int, what: int) -> None:
        """Send a signal to a worker and what it started; nothing happens when it is gone."""
        with self._lock:
            process = self._processes.get(number)
            if process is not None:
                _signal_group(process.pid, what)

    def close(self) -> None:
        """Wait until nobody waits for a worker any more."""
        for thread in list(self._threads.values()):
            thread.join()

    def _wait(self, number: int, process: subprocess.Popen[bytes]) -> None:
        with suppress(ChildProcessError):  # where somebody waits for every child of this process
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with self._lock:
            _signal_group(process.pid, signal.SIGKILL)  # before its number is free for another process
            status = process.wait()
            del self._processes[number], self._threads[number]
        self._on_end(number, status)


def _signal_group(process: int, what: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process, what)


def _flags() -> list[str]:
    """Return the options that the driver's interpreter was started with."""
    return subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined,no-any-return]
