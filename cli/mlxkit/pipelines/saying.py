"""What a step says on a worker: its output and its events, masked there, as messages to the driver."""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

from ..secrets.masking import MaskedStream, mask_text
from ..stacks.executors import Event
from .reporting import LineReporter

Notify = Callable[[Event], None]


class SaidReporter(LineReporter):
    """Tells the driver of the events of one step."""

    def __init__(self, notify: Notify) -> None:
        super().__init__()
        self._notify = notify

    def step_started(self, step: str) -> None:
        """Say that it runs now."""
        self._notify(("started",))

    def step_ended(self, step: str, status: str, seconds: float, note: str = "") -> None:
        """Say nothing: the record says it."""

    def step_retried(self, step: str, attempt: int, error: str) -> None:
        """Say that it is tried again."""
        self._notify(("retried", attempt, mask_text(error)))

    def failed_at(self, title: str, message: str, place: str) -> None:
        """Say in which line something failed."""
        self._notify(("failed_at", mask_text(title), mask_text(message), place))

    def detail(self, text: str) -> None:
        """Pass on a longer text."""
        self._notify(("detail", mask_text(text)))

    def warned(self, text: str) -> None:
        """Pass on a warning."""
        self._notify(("warned", mask_text(text)))


class SaidOutput:
    """Takes what is printed while a step runs; nothing of it goes to the streams of this process."""

    def __init__(self, notify: Notify) -> None:
        self._notify = notify
        self._streams: tuple[MaskedStream, ...] = ()
        self._before: tuple[TextIO, TextIO] | None = None

    def __enter__(self) -> SaidOutput:
        self._before = (sys.stdout, sys.stderr)
        self._streams = tuple(
            MaskedStream(cast(TextIO, _Said(self._notify, name))) for name in ("out", "err")
        )
        sys.stdout, sys.stderr = self._streams
        return self

    def __exit__(self, *_: object) -> None:
        for stream in self._streams:
            stream.finish()
        if self._before is not None:
            sys.stdout, sys.stderr = self._before

    @contextmanager
    def of_step(self, step: str, position: int) -> Iterator[None]:
        """Send what was held back when the step is over."""
        try:
            yield
        finally:
            for stream in self._streams:
                stream.finish()

    def note(self, text: str) -> None:
        """Add a text to the log of the step that nobody printed."""
        self._notify(("noted", mask_text(text)))


class _Said(io.TextIOBase):
    """A text stream whose other end is the driver; its descriptor is the one that C code and children write to."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, notify: Notify, name: str) -> None:
        self._notify = notify
        self._descriptor = 1 if name == "out" else 2
        self.name = f"<std{name}>"
        self.buffer = _SaidBytes(self)

    def write(self, text: str) -> int:
        if text:
            self._notify(("output", text))
        return len(text)

    def fileno(self) -> int:
        return self._descriptor

    def writable(self) -> bool:
        return True

    def reconfigure(self, **_: Any) -> None:
        """Take any wish: what is written here becomes text of the driver's."""

    def close(self) -> None:
        """Stay open: the process has no other stream."""


class _SaidBytes(io.BufferedIOBase):
    """The binary side of it; a character may come in two pieces."""

    def __init__(self, text: _Said) -> None:
        self._text = text
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def write(self, data: Any) -> int:
        self._text.write(self._decoder.decode(bytes(data)))
        return len(data)

    def fileno(self) -> int:
        return self._text.fileno()

    def writable(self) -> bool:
        return True

    def close(self) -> None:
        """Stay open, too."""
