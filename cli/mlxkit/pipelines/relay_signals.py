"""Signals that reach us while a program runs: they are the program's."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from types import FrameType
from typing import Any

from .pseudoterminal import ControllingTerminal, Pseudoterminal, gets_keys_of_a_terminal

_PASSED = (
    signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2,
)  # fmt: skip
_FROM_KEYS = (signal.SIGINT, signal.SIGQUIT)


class SignalRelay:
    """Pass signals on for the time of a program, and stop and go on with it.

    `wakeup` can be read from when a signal came, the program's end included.
    """

    def __init__(
        self,
        own: ControllingTerminal | None,
        terminals: Sequence[Pseudoterminal],
        ignored: Sequence[signal.Signals],
    ) -> None:
        self._own = own
        self._terminals = terminals
        self._ignored = ignored
        self._child: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []
        self._before: dict[int, Any] = {}
        self.wakeup = -1

    @property
    def child(self) -> subprocess.Popen[bytes] | None:
        """The program, once it runs."""
        return self._child

    @child.setter
    def child(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child
        for number in self._early:
            self._send(number)

    def __enter__(self) -> SignalRelay:
        self.wakeup, self._end = os.pipe()
        for descriptor in (self.wakeup, self._end):
            os.set_blocking(descriptor, False)
        self._wakeup_before = signal.set_wakeup_fd(self._end, warn_on_full_buffer=False)
        wanted: dict[int, Any] = dict.fromkeys(_PASSED, self._pass_on)
        wanted |= {
            signal.SIGTSTP: self._stop,
            signal.SIGCONT: self._go_on,
            signal.SIGWINCH: self._resize,
            signal.SIGCHLD: lambda *_: None,  # wakes the loop
        }
        for number, handler in wanted.items():
            before = signal.signal(number, handler if number not in self._ignored else signal.SIG_IGN)
            self._before[number] = signal.SIG_DFL if before is None else before
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self.wakeup)
        os.close(self._end)

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        # What a terminal sends to us by a key, it sends to every process of our group.
        if number in _FROM_KEYS and self._own is None and gets_keys_of_a_terminal():
            return
        self._send(number)

    def _send(self, number: int) -> None:
        if self._child is None:
            self._early.append(number)
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            self._child.send_signal(number)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        """Stop the program, then ourselves, until a shell lets us go on."""
        group = self._own.foreground() if self._own else None
        if self._own:
            _signal_group(group, signal.SIGTSTP)
            time.sleep(0.01)  # to put its screen in order
            _signal_group(
                group, signal.SIGSTOP
            )  # its group has no shell above it, and would not stop by the first
            self._own.give_back()
        else:
            self._send(signal.SIGTSTP)
        handler = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, handler)
        self._go_on(signal.SIGCONT, None)

    def _go_on(self, _number: int, _frame: FrameType | None) -> None:
        if self._own:
            self._own.take()
            _signal_group(self._own.foreground(), signal.SIGCONT)
        else:
            self._send(signal.SIGCONT)

    def _resize(self, _number: int, _frame: FrameType | None) -> None:
        for terminal in self._terminals:
            terminal.resize()
        if self._own is None:
            self._send(signal.SIGWINCH)  # again: the first may have come before the new size


def _signal_group(group: int | None, number: int) -> None:
    if group:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)
