"""A piece of work, and the worker that does it, as the driver sees them."""

from __future__ import annotations

import codecs
import os
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import field
from typing import Any

from ....dataclass import dataclass
from ....stacks.executors import OnEvent, Resources
from .budget import Share
from .channel import Frames, SentCode, framed

_AT_ONCE = 1 << 18  # bytes read at a time
_IS_CODE = 512  # bytes from which a first argument is sent once: what is shorter is not worth remembering


class WorkFuture(Future[Any]):
    """Has the work itself stopped when it is cancelled; it ends with CancelledWorkError, or what the work still returned."""

    stop: Callable[[], None]

    def cancel(self) -> bool:
        """Ask for the end of the work; returns False when it has ended."""
        if self.done():
            return False
        self.stop()
        return True


@dataclass(eq=False)
class Work:
    """What is to be done, for whom, and what it holds meanwhile."""

    target: str
    args: tuple[Any, ...]
    resources: Resources
    label: str
    secrets: Mapping[str, str]
    on_event: OnEvent
    lost: int
    future: WorkFuture = field(default_factory=WorkFuture)
    share: Share | None = None
    worker: Worker | None = None
    is_cancelled: bool = False
    problem: Exception | None = None  # of who was told an event

    def tell(self, event: tuple[Any, ...]) -> None:
        """Say an event; an error of the listener ends as the work's, not as the executor's."""
        try:
            self.on_event(event)
        except Exception as error:
            self.problem = self.problem or error


class Worker:
    """One worker process: its number, its GPUs, and the driver's ends of its channel and of its output."""

    def __init__(self, number: int, devices: tuple[int, ...], channel: socket.socket, output: int) -> None:
        self.number = number
        self.devices = devices
        self.channel = channel
        self.output = output
        self.work: Work | None = None
        self.kill_at: float | None = None
        self.is_ending = False
        self._pieces = 0
        self._frames = Frames()
        self._codes = SentCode()
        self._unsent = bytearray()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        channel.setblocking(False)
        os.set_blocking(output, False)

    @property
    def has_unsent(self) -> bool:
        """Tell whether something waits for room in the channel."""
        return bool(self._unsent)

    def send(self, *message: Any) -> None:
        """Send a message, or as much of it as there is room for; a worker that is gone is noticed elsewhere."""
        self._unsent += framed(*message)
        self.flush()

    def flush(self) -> None:
        """Send what waited for room."""
        try:
            while self._unsent:
                del self._unsent[: self.channel.send(self._unsent)]
        except BlockingIOError:
            pass
        except OSError:  # it is gone
            self._unsent.clear()

    def give(self, work: Work) -> None:
        """Hand a piece of work over."""
        self.work, work.worker = work, self
        self._pieces += 1
        args: tuple[Any, ...] = work.args
        number, code = None, None
        if args and isinstance(args[0], bytes) and len(args[0]) >= _IS_CODE:
            number, code = self._codes.number(args[0])
            args = args[1:]
        self.send("work", self._pieces, work.target, number, code, args, dict(work.secrets), work.lost)

    def is_of_now(self, piece: int) -> bool:
        """Tell whether a message is about the work that the worker has, not about one that is over."""
        return self.work is not None and piece == self._pieces

    def received(self) -> tuple[list[tuple[Any, ...]], bool]:
        """Return the messages that have come, and whether the channel is still open."""
        messages: list[tuple[Any, ...]] = []
        while True:
            try:
                read = self.channel.recv(_AT_ONCE)
            except BlockingIOError:
                return messages, True
            except OSError:
                read = b""
            if not read:
                return messages, False
            messages += self._frames.feed(read)
            if len(read) < _AT_ONCE:
                return messages, True

    def printed(self) -> str:
        """Return what programs and libraries have written past Python, up to now; a closed end raises EOFError.

        One read takes all that a pipe holds. There is no second one: who never stops writing would never let us go.
        """
        try:
            read = os.read(self.output, _AT_ONCE)
        except BlockingIOError:
            return ""
        if not read:
            raise EOFError
        return self._decoder.decode(read)

    def close(self) -> None:
        """Let go of the channel, which ends a worker that is still there."""
        self.channel.close()
        os.close(self.output)
