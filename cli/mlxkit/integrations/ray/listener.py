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


class Listener:
    """Fetches what workers say, and hands it to the dispatcher; a channel that is gone is asked again."""

    def __init__(self, ray: Any, name: str, put: Callable[[tuple[Any, ...]], None]) -> None:
        self._ray, self._put = ray, put
        self._closed = threading.Event()
        self._name = name
        self._channel: Any = None
        threading.Thread(target=self._run, name="mlx-ray-channel", daemon=True).start()

    def close(self, *, kill: bool) -> None:
        """Hear no more."""
        self._closed.set()
        if kill and self._channel is not None:
            with contextlib.suppress(Exception):
                self._ray.kill(self._channel)

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                if self._channel is None:  # here, as it hangs when the head is gone
                    self._channel = open_channel(self._ray, self._name)
                batches = self._channel.fetch.remote(_WAIT).future().result(_WAIT * 3)
            except Exception:  # its node is gone, or the run is over
                time.sleep(_PAUSE)
                continue
            if batches:
                dealt_with = threading.Event()
                self._put(("heard", batches, dealt_with))
                dealt_with.wait(_WAIT)
