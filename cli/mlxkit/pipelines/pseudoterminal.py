"""Terminals of a program's own, so that it finds one where there is one although its output goes through us."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import termios
import tty
from typing import Any

_LOCAL, _OUTPUT, _CHARACTERS = 3, 1, 6  # places in what termios calls the attributes


class Pseudoterminal:
    """A terminal that a program writes to; `like` is ours, whose size it has."""

    def __init__(self, like: int) -> None:
        self._like = like
        self.master, self.slave = os.openpty()
        self._set_up()
        self.resize()

    def _set_up(self) -> None:
        attributes = termios.tcgetattr(self.slave)
        attributes[_OUTPUT] &= ~termios.OPOST  # ours makes \r\n of \n, and once is enough
        attributes[_LOCAL] &= ~(termios.ECHO | termios.ICANON)
        termios.tcsetattr(self.slave, termios.TCSANOW, attributes)

    def resize(self) -> None:
        """Give it the size that ours has now; what runs in its foreground is told by SIGWINCH."""
        try:
            size = fcntl.ioctl(self._like, termios.TIOCGWINSZ, struct.pack("HHHH", 0, 0, 0, 0))
            fcntl.ioctl(self.master, termios.TIOCSWINSZ, size)
        except OSError:  # it went away
            pass


class ControllingTerminal(Pseudoterminal):
    """A terminal that a program reads from, too; ours passes every key on while `take()` holds."""

    def __init__(self, like: int) -> None:
        self._before: list[Any] | None = None
        super().__init__(like)
        os.set_blocking(self.master, False)

    def _set_up(self) -> None:
        termios.tcsetattr(self.slave, termios.TCSANOW, termios.tcgetattr(self._like))

    @property
    def is_taken(self) -> bool:
        """Say whether keys are passed on now."""
        return self._before is not None

    def take(self) -> None:
        """Pass every key on, Ctrl-C too; not in the background, where a shell has the keys."""
        if self._before is None and is_foreground(self._like):
            self._before = termios.tcgetattr(self._like)
            tty.setraw(self._like, termios.TCSANOW)
            self.resize()

    def give_back(self) -> None:
        """Make our terminal what it was; also from the background, which may not change it otherwise."""
        if self._before is None:
            return
        before, self._before = self._before, None
        handler = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        try:
            termios.tcsetattr(self._like, termios.TCSADRAIN, before)
        except termios.error:  # it was closed
            pass
        finally:
            signal.signal(signal.SIGTTOU, handler)

    def release(self) -> None:
        """Let go of the program's end, which is held until it ended: without it a program that closes its own is hung up."""
        if self.slave >= 0:
            os.close(self.slave)
            self.slave = -1

    def suspend_key(self) -> bytes | None:
        """Return the key that suspends, or None when the program reads that key itself."""
        try:
            attributes = termios.tcgetattr(self.master)
        except termios.error:
            return None
        key = attributes[_CHARACTERS][termios.VSUSP]
        takes = attributes[_LOCAL] & termios.ISIG and isinstance(key, bytes) and key != b"\0"
        return key if takes else None

    def foreground(self) -> int | None:
        """Return the process group that the keys reach."""
        try:
            return os.tcgetpgrp(self.master) or None
        except OSError:
            return None


def is_foreground(descriptor: int) -> bool:
    """Say whether this process is in the foreground of the terminal."""
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:  # it is no terminal of ours
        return False


def gets_keys_of_a_terminal() -> bool:
    """Say whether Ctrl-C on the controlling terminal reaches this process and its children by itself."""
    try:
        descriptor = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return is_foreground(descriptor)
    finally:
        os.close(descriptor)
