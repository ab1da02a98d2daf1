"""Signals during a run: the first Ctrl-C or SIGTERM ends it in order, the second at once."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from ..errors import ExitCode


class Terminated(BaseException):
    """SIGTERM arrived; like KeyboardInterrupt, not something that `except Exception` swallows."""


class SignalGuard:
    """Turn SIGINT and SIGTERM into exceptions in the main thread for the time of a run; `hangup`: SIGHUP, too."""

    def __init__(self, *, hangup: bool = False) -> None:
        self._before: dict[int, Any] = {}
        self._seen = 0
        self._hangup = hangup and hasattr(signal, "SIGHUP")

    def __enter__(self) -> SignalGuard:
        if threading.current_thread() is threading.main_thread():
            for number, handler in ((signal.SIGINT, self._interrupt), (signal.SIGTERM, self._terminate)):
                self._before[number] = signal.signal(number, handler)
            if self._hangup and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup
                self._before[signal.SIGHUP] = signal.signal(signal.SIGHUP, self._hang_up)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        self._at_once(ExitCode.interrupted)
        raise KeyboardInterrupt

    def _terminate(self, _number: int, _frame: FrameType | None) -> None:
        self._at_once(ExitCode.terminated)
        raise Terminated

    def _hang_up(self, _number: int, _frame: FrameType | None) -> None:
        """End in order; the shell and the terminal may both say it, and twice is not asking twice."""
        if not self._seen:
            self._seen += 1
            raise Terminated

    def _at_once(self, code: ExitCode) -> None:
        self._seen += 1
        if self._seen > 1:
            os._exit(int(code))  # the person asked twice; the next command closes what is left open
