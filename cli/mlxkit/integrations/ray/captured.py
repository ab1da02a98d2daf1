"""What children and C code print on a worker: taken from under them, so that it goes the way of all output, masked.

Ray keeps what a worker prints in files that everybody on the node can read.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
import threading
from collections.abc import Callable
from typing import Any, TextIO, cast

from ...secrets.masking import MaskedStream
from ...stacks.executors import Event

_ROOM = 2**20  # bytes that wait for the next look
_SET_PIPE_SIZE = 1031  # fcntl.F_SETPIPE_SZ, which Python 3.10 knows on Linux only


class Captured:
    """The ends of a pipe that this process' output goes into; whoever has work says what came."""

    def __init__(self) -> None:
        self._end: int | None = None
        self._notify: Callable[[Event], None] | None = None
        self._lock = threading.Lock()
        self._masked = MaskedStream(cast(TextIO, self))
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def begin(self, notify: Callable[[Event], None]) -> None:
        """Have what is printed from now on said by this."""
        with self._lock:
            if self._end is None:
                self._open()
            self._read()  # what came between two pieces of work is nobody's
            self._masked.finish()
            self._notify = notify

    def end(self) -> None:
        """Say what is still there."""
        with self._lock:
            self._read()
            self._masked.finish()
            self._notify = None

    def drain(self) -> None:
        """Say what has come; what may be the beginning of a secret stays back."""
        with self._lock:
            self._read()

    def _read(self) -> None:
        while self._end is not None:
            try:
                came = os.read(self._end, 2**16)
            except BlockingIOError:
                return
            text = self._decoder.decode(came)
            if text:
                self._masked.write(text)
            if len(came) < 2**16:
                return

    # What a masked stream writes to.

    def write(self, text: str) -> int:
        if self._notify is not None and text:
            self._notify(("output", text))
        return len(text)

    def flush(self) -> None:
        """Nothing waits here."""

    def _open(self) -> None:
        self._end, other = os.pipe()
        os.set_blocking(self._end, False)
        if sys.platform == "linux":
            import fcntl

            with contextlib.suppress(OSError):  # what fits by itself has to do
                fcntl.fcntl(other, _SET_PIPE_SIZE, _ROOM)
        for stream in (sys.stdout, sys.stderr):
            _flush(stream)
        os.dup2(other, 1)
        os.dup2(other, 2)
        os.close(other)


def _flush(stream: Any) -> None:
    try:
        stream.flush()
    except (OSError, ValueError, AttributeError):
        return


captured = Captured()
