"""A program as a child: its output goes through the masker, signals and keys go to it, its end is the answer.

Where stdin and stdout are a terminal, it gets one of its own, in a session of its own. Elsewhere it stays in our
process group, so that Ctrl-C and Ctrl-Z reach it as ever; of stdout and stderr each that is a terminal is one for the
program, too, and each that is a pipe or a file is a pipe. On Linux it is told by SIGHUP when we are killed.
"""

from __future__ import annotations

import codecs
import errno
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any

from ..dataclass import dataclass
from ..secrets.masker import ByteMasker
from ..secrets.masking import known_values
from .descriptors import empty, is_same, waiting, write_all
from .pseudoterminal import ControllingTerminal, Pseudoterminal
from .relay_signals import SignalRelay

_PIECE = 1 << 16
_PAUSE = 0.05  # after this long a beginning of a line is shown, as a prompt has to be
_LINGER = 0.2  # what a program left running in the background may still write
_LONGEST = 2.0  # how long it is listened to when it writes again and again
_PENDING = 1 << 16


@dataclass
class Channel:
    """One way out of the program: what is read there is masked, written to ours and kept."""

    source: int
    target: int
    is_terminal: bool
    masker: ByteMasker = field(default_factory=lambda: ByteMasker(known_values()))
    decoder: Any = field(default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace"))
    is_open: bool = True
    is_held: bool = False


def run_child(
    path: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    keep: Callable[[str], None],
    *,
    ignored: Iterable[signal.Signals] = (),
    tell: Callable[[str], None] = lambda _: None,
) -> int:
    """Run a program to its end; returns its status as `subprocess` does, negative for a signal.

    `keep` gets the masked output as text, and `tell` what there is to say of it. Signals in `ignored` stay ignored by
    the program. Raises OSError when it cannot be started.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    return _Relay(keep, tell).run(path, command, environment, list(ignored))


class _Relay:
    def __init__(self, keep: Callable[[str], None], tell: Callable[[str], None]) -> None:
        self._keep = keep
        self._tell = tell
        self._channels: list[Channel] = []
        self._terminals: list[Pseudoterminal] = []
        self._own: ControllingTerminal | None = None
        self._pending = b""
        self._reads_keys = False
        self._owed = 0  # bytes that were written before the program ended

    def run(
        self, path: str, command: Sequence[str], environment: Mapping[str, str], ignored: list[signal.Signals]
    ) -> int:
        if os.isatty(0) and os.isatty(1):
            self._own = ControllingTerminal(0)
            self._terminals.append(self._own)
        out, err, to_close = self._ways_out()
        signals = SignalRelay(self._own, self._terminals, ignored)
        try:
            with signals:
                child = subprocess.Popen(
                    list(command),
                    executable=path,
                    env=dict(environment),
                    stdin=self._own.slave if self._own else None,
                    stdout=out,
                    stderr=err,
                    preexec_fn=_preparation(self._own, ignored),
                )
                for descriptor in to_close:
                    os.close(descriptor)
                to_close.clear()
                signals.child = child
                if self._own:
                    self._own.take()
                    self._reads_keys = True
                self._loop(child, signals)
                return child.wait()
        finally:
            if self._own:
                self._own.give_back()
                self._own.release()
            for descriptor in [*to_close, *(channel.source for channel in self._channels if channel.is_open)]:
                os.close(descriptor)

    def _ways_out(self) -> tuple[int, int, list[int]]:
        """Make what the program writes to; returns its stdout, its stderr, and what is to be closed here afterwards."""
        ends: dict[int, int] = {}
        made: list[int] = []
        own = self._own
        for number in (1, 2):
            is_terminal = os.isatty(number)
            if number == 2 and is_same(1, 2):
                ends[2] = ends[1]
                continue
            if is_terminal and own and number == 1:
                terminal: Pseudoterminal | None = own
            elif is_terminal and number == 2 and self._terminals:
                ends[2] = self._terminals[-1].slave
                continue
            else:
                terminal = Pseudoterminal(number) if is_terminal else None
                if terminal:
                    self._terminals.append(terminal)
            source, end = (terminal.master, terminal.slave) if terminal else os.pipe()
            ends[number] = end
            if terminal is None or terminal is not own:
                made.append(end)
            self._channels.append(Channel(source, number, is_terminal))
        return ends[1], ends[2], made

    def _loop(self, child: subprocess.Popen[bytes], signals: SignalRelay) -> None:
        is_gone, until = False, 0.0
        while any(channel.is_open for channel in self._channels) or child.poll() is None:
            if not is_gone and child.poll() is not None:
                is_gone, until = True, time.monotonic() + _LONGEST
                self._owed = sum(waiting(channel.source) for channel in self._channels if channel.is_open)
                if self._own:
                    self._own.release()
            if not self._wait(signals.wakeup, is_gone) and is_gone:
                break
            if is_gone and self._owed <= 0 and time.monotonic() > until:
                self._leave()
                break
        for channel in self._channels:
            self._show(channel, channel.masker.finish(), is_last=True)

    def _leave(self) -> None:
        """Say that we do not wait for what the program left running, and that still writes."""
        for channel in self._channels:
            self._show(channel, channel.masker.finish())
        self._tell(
            f"processes that it left running still write after {_LONGEST:.0f} s: the rest is not waited for"
        )

    def _wait(self, wakeup: int, is_gone: bool) -> bool:
        """Pass on what there is; False when nothing came for a while."""
        readable = [channel.source for channel in self._channels if channel.is_open] + [wakeup]
        own = self._own
        if own and own.is_taken and self._reads_keys and not is_gone and len(self._pending) < _PENDING:
            readable.append(0)
        writable = [own.master] if own and self._pending and not is_gone else []
        is_held = any(channel.is_held for channel in self._channels)
        timeout = _LINGER if is_gone else _PAUSE if is_held else None
        ready, free, _ = select.select(readable, writable, [], timeout)
        if wakeup in ready:
            empty(wakeup)
        for channel in self._channels:
            if channel.source in ready:
                self._read(channel)
        if own and 0 in ready:
            self._read_keys(own)
        if own and free:
            self._write_keys(own)
        if not ready and not free:
            for channel in self._channels:
                if channel.is_held:
                    channel.is_held = False
                    self._show(channel, channel.masker.flush())
        return bool(ready or free)

    def _read(self, channel: Channel) -> None:
        try:
            data = os.read(channel.source, _PIECE)
        except BlockingIOError:
            return
        except OSError as error:  # how Linux says that nothing has the terminal open any more
            if error.errno != errno.EIO:
                raise
            data = b""
        if data:
            self._owed -= len(data)
            channel.is_held = True
            self._show(channel, channel.masker.feed(data))
        else:
            self._close(channel)

    def _show(self, channel: Channel, data: bytes, *, is_last: bool = False) -> None:
        text = channel.decoder.decode(data, is_last)
        if text:
            self._keep(text.replace("\r\n", "\n") if channel.is_terminal else text)
        is_lost = data and not write_all(channel.target, data)
        if is_lost and not is_last and (self._own is None or channel.source != self._own.master):
            self._close(channel)  # the program learns, as it would without us, that nobody reads

    def _close(self, channel: Channel) -> None:
        if channel.is_open:
            channel.is_open = False
            os.close(channel.source)

    def _read_keys(self, own: ControllingTerminal) -> None:
        try:
            data = os.read(0, _PIECE)
        except OSError:
            data = b""
        if not data:  # the terminal was closed
            self._reads_keys = False
            return
        key = own.suspend_key()
        before, found, after = data.partition(key) if key else (data, b"", b"")
        self._pending += before
        if found:
            self._write_keys(own)
            os.kill(os.getpid(), signal.SIGTSTP)
            self._pending += after

    def _write_keys(self, own: ControllingTerminal) -> None:
        try:
            self._pending = self._pending[os.write(own.master, self._pending) :] if self._pending else b""
        except BlockingIOError:
            pass
        except OSError:
            self._pending = b""


def _preparation(own: ControllingTerminal | None, ignored: list[signal.Signals]) -> Callable[[], None]:
    """Return what the child does before it becomes the program; nothing in it takes a lock or imports."""
    prctl = _prctl()
    parent = os.getpid()
    slave = own.slave if own else -1

    def prepare() -> None:
        if slave >= 0:
            import fcntl
            import termios

            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)
        if prctl is not None:
            prctl(1, int(signal.SIGHUP), 0, 0, 0)  # PR_SET_PDEATHSIG
            if os.getppid() != parent:
                os._exit(1)

    return prepare


def _prctl() -> Callable[..., int] | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        import ctypes

        found: Callable[..., int] = ctypes.CDLL(None).prctl
        return found
    except (ImportError, OSError, AttributeError):
        return None
