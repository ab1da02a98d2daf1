"""The driver's end of the channel: a thread that always has one call waiting in it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

from .channel import open_channel

_WAIT = 10.0  # seconds that one call waits for something to come
_PAUSE = 1.0  # seconds before a channel that does not answer is asked again
_PARTING = 10.0  # seconds that the end waits for a call that is on its way


class Listener:
    """Fetches what workers say, and hands it to the dispatcher; a channel that is gone is asked again."""

    def __init__(self, ray: Any, name: str, put: Callable[[tuple[Any, ...]], None]) -> None:
        self._ray, self._put = ray, put
        self._closed = threading.Event()
        self._name = name
        self._channel: Any = None
        self._thread = threading.Thread(target=self._run, name="mlx-ray-channel", daemon=True)
        self._thread.start()

    def close(self, *, kill: bool) -> None:
        """Hear no more; with `kill` end the channel too, and return when this object has no call to Ray any more.

        A call to Ray while, or after, its connection is closed ends the process, or crashes it.
        """
        self._closed.set()
        until = time.monotonic() + _PARTING
        while kill and self._thread.is_alive() and time.monotonic() < until:
            if self._channel is not None:
                with contextlib.suppress(Exception):
                    self._ray.kill(self._channel)  # what waits in it comes back
            self._thread.join(_PARTING / 100)

    def _run(self) -> None:
        try:
            while not self._closed.is_set():
                self._listen()
        finally:
            self._channel = None

    def _listen(self) -> None:
        try:
            if self._channel is None:  # here, as it hangs when the head is gone
                self._channel = open_channel(self._ray, self._name)
                return
            batches = self._channel.fetch.remote(_WAIT).future().result(_WAIT * 3)
        except Exception:  # its node is gone, or the run is over
            self._closed.wait(_PAUSE)
            return
        if batches:
            dealt_with = threading.Event()
            self._put(("heard", batches, dealt_with))
            until = time.monotonic() + _WAIT
            while not (dealt_with.wait(_PAUSE / 10) or self._closed.is_set() or time.monotonic() > until):
                pass
