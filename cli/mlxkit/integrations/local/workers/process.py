"""The worker process: one piece of work after the other in its main thread, until it is told to stop.

A thread reads the channel, so that the end of the driver is seen at any moment.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import sys
import threading
import traceback
from _signal import getsignal  # type: ignore[import-not-found]  # the one of `signal` makes an enum of each answer: 50 times as dear
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NoReturn

from ....secrets.masker import Masker
from .channel import Frames, KeptCode, framed
from .speaking import Voice

_AT_ONCE = 1 << 18  # bytes asked of a socket
_LESS_DEAR = 300  # what is added to the score of a worker for the kernel, when it looks for a process to end
_END = None


def serve(channel: socket.socket) -> NoReturn:
    """Do what comes over the channel; the process ends here, without the exit handlers of whom it was forked from."""
    code = 1
    try:
        _offer_itself_to_the_kernel()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # ignored, or blocked, it could not end the work
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        _Worker(channel).work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


class _Worker:
    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._voice = Voice(channel)
        self._codes = KeptCode()
        self._functions: dict[str, Any] = {}
        self._given: SimpleQueue[tuple[Any, ...] | None] = SimpleQueue()
        self._handlers = {number: getsignal(number) for number in signal.valid_signals()}
        os.register_at_fork(after_in_child=self._let_go)
        threading.Thread(target=self._read, name="mlx-channel", daemon=True).start()

    def work(self) -> None:
        """Do each piece of work that comes."""
        while (given := self._given.get()) is not _END:
            number, target, code_number, code, args, secrets, lost = given
            if code_number is not None:
                args = (self._codes.code(code_number, code), *args)
            result = self._outcome(number, target, args, secrets, lost)
            given = args = secrets = code = None
            self._restore_handlers()
            self._voice.finish(result)

    def _outcome(
        self, number: int, target: str, args: tuple[Any, ...], secrets: Mapping[str, str], lost: int
    ) -> bytes:
        try:
            fn = self._functions.get(target) or self._found(target)
            value = fn(*args, secrets=secrets, notify=partial(self._voice.say, number), lost=lost)
            return framed("done", number, True, pickle.dumps(value, protocol=5), "")
        except BaseException as error:  # sys.exit and a signal's exception included: the worker goes on
            text = "".join(traceback.format_exception(error))
            text = Masker(secrets.values()).mask(text)
            return framed("done", number, False, _pickled(error), text)

    def _found(self, target: str) -> Any:
        module, _, name = target.partition(":")
        found: Any = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
        self._functions[target] = found
        return found

    def _read(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # they are for the work
        frames = Frames()
        while received := self._received():
            for kind, *rest in frames.feed(received):
                if kind == "work":
                    self._given.put(tuple(rest))
                elif kind == "heard":
                    self._voice.heard(rest[0])
                elif kind == "hello":
                    sys.path[:] = rest[0]
                elif kind == "stop":
                    self._given.put(_END)
        os.killpg(0, signal.SIGKILL)  # the driver is gone: nobody waits for what is done here, or by children

    def _received(self) -> bytes:
        try:
            return self._channel.recv(_AT_ONCE)
        except OSError:
            return b""

    def _restore_handlers(self) -> None:
        """Take back what work set for signals: a handler of its own would run in the middle of ours, or of the next."""
        for number, handler in self._handlers.items():
            if getsignal(number) is not handler:
                signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    def _let_go(self) -> None:
        self._channel.close()


def _pickled(error: BaseException) -> bytes | None:
    try:
        return pickle.dumps(error, protocol=5)
    except Exception:  # whatever an exception's own __reduce__ raises
        return None


def _offer_itself_to_the_kernel() -> None:
    """Have the kernel take a worker before the driver when memory ends, and name it in what `top` shows."""
    try:
        score = Path("/proc/self/oom_score_adj")
        score.write_text(str(min(1000, int(score.read_text()) + _LESS_DEAR)))
        Path("/proc/self/comm").write_text("mlx-worker")
    except (OSError, ValueError):  # not Linux, or not allowed
        pass
