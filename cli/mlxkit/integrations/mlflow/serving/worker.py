"""A worker of a deployment: loads the model, checks it, and answers requests on the socket it was given.

Its standard input is the line to the supervisor. When that is cut, however the supervisor ended, the worker ends too.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Iterator
from typing import Any

from .scoring import CheckError, Model

_SET_DEATH_SIGNAL = 1  # prctl(2)


def main() -> int:
    """Load, check, report, and serve until told to leave."""
    line = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    _die_with_the_supervisor()
    orders = _orders(line)
    first = next(orders)
    waiting: list[dict[str, Any]] = []
    follow = _Follower(orders, waiting)
    follow.start()
    try:
        model = Model.load(first["model_dir"])
    except CheckError as error:
        _tell(line, failed=str(error))
        return 1
    except BaseException as error:
        traceback.print_exc()
        _tell(line, failed=_one_line(error))
        return 1
    gc.collect()
    gc.freeze()  # what a loaded model consists of is not looked through again and again
    from .app import ScoringApp
    from .server import request_timeout, serve

    app = ScoringApp(model, first["max_body"], first["token"], request_timeout(), is_local=first["is_local"])
    serve(app, follow, lambda **told: _tell(line, **told))
    return 0


class _Follower(threading.Thread):
    """Read the orders while the main thread is busy loading a model; an end of them ends the process."""

    def __init__(self, orders: Iterator[dict[str, Any]], early: list[dict[str, Any]]) -> None:
        super().__init__(daemon=True)
        self._orders, self._early = orders, early
        self._lock = threading.Lock()
        self._take: Any = None

    def hand_to(self, take: Any) -> None:
        """Give the orders that came, and those that will come, to `take`, which is called in this thread."""
        with self._lock:
            self._take = take
            for order in self._early:
                take(order)

    def run(self) -> None:
        for order in self._orders:
            with self._lock:
                if self._take is None:
                    self._early.append(order)
                else:
                    self._take(order)
        _end()


def _orders(line: socket.socket) -> Iterator[dict[str, Any]]:
    received = b""
    while True:
        try:
            piece, passed, _, _ = socket.recv_fds(line, 65536, 1)
        except OSError:
            return
        if not piece:
            return
        *lines, received = (received + piece).split(b"\n")
        for order in map(json.loads, lines):
            if order.get("do") == "accept":
                order["listener"] = passed.pop()
            yield order


def _tell(line: socket.socket, **message: Any) -> None:
    with contextlib.suppress(OSError):
        line.sendall(json.dumps(message).encode() + b"\n")


def _end() -> None:
    """End at once, with every process that the model started."""
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


def _die_with_the_supervisor() -> None:
    """Have the kernel end us, where it can: a model that holds the interpreter would not read that the line is cut."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, int(signal.SIGKILL), 0, 0, 0)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:500]}" if text else type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
