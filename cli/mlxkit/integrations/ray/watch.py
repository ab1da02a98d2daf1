"""Whether the head of a cluster is still there, asked from a thread of its own: calls to Ray just hang when it is not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from .probe import is_alive

PACE = 5.0  # seconds between two questions
GONE_AFTER = 20.0  # seconds without an answer; after 60 Ray would end this process
_TIMEOUT = 4.0  # a head that has much to do is not gone


class HeadWatch:
    """Asks the control service of the head now and then, and calls `gone` once when it stays silent."""

    def __init__(self, endpoint: str, gone: Callable[[], None]) -> None:
        self._endpoint, self._gone = endpoint, gone
        self._closed = threading.Event()
        self.answers = True
        threading.Thread(target=self._run, name="mlx-ray-head", daemon=True).start()

    def close(self) -> None:
        """Ask no more."""
        self._closed.set()

    def _run(self) -> None:
        answered = time.monotonic()
        while not self._closed.wait(PACE):
            self.answers = is_alive(self._endpoint, _TIMEOUT)
            now = time.monotonic()
            if self.answers:
                answered = now
            elif now - answered > GONE_AFTER:
                self._gone()
                return
