"""The live view of a run: a line stays for each step that ended, and below them move the ones that run.

The lines that move are drawn below the cursor, which stays at their beginning: whatever else is printed, by a child
process too, begins where they begin, and they are drawn again after it. They are not there while a line of the
user's is unfinished (a prompt, a progress bar), nor while somebody else has the terminal (live_others.py).
"""

from __future__ import annotations

import builtins
import getpass
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

from ..pipelines.overheard import Overheard
from ..pipelines.reporting import LineReporter, words_for
from . import terminal
from .live_screen import Marks, Screen

TICK = 0.1
_PATIENCE = 0.15  # what is over sooner is not drawn


class LiveReporter(LineReporter):
    """Tell of a run on a terminal; a thread redraws what moves while a step runs."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._screen = Screen(stream)
        self._marks = Marks.of(stream, has_colour=terminal.has_colour(stream))
        self._began = 0.0
        self._done = self._failed = 0
        self._expected: int | None = None
        self._ticker: threading.Thread | None = None
        self._over = threading.Event()

    def run_started(self, name: str, stack: str, tracker: str | None) -> None:
        """Name the run, its stack and tracker, and begin to watch."""
        self._done = self._failed = 0
        self._expected = None
        self._began = time.monotonic()
        self._line(f"run {name} started on stack {stack}" + (f", tracker {tracker}" if tracker else ""))
        self._over.clear()
        self._ticker = threading.Thread(target=self._tick, name="mlx-live", daemon=True)
        self._ticker.start()

    def expect(self, count: Callable[[], int | None]) -> None:
        """Remember how many steps there were last time; a pipeline may have more or fewer today."""
        self._expected = count()

    def step_started(self, step: str) -> None:
        """Show a step among those that run."""
        self._running[step] = time.monotonic()

    def step_ended(self, step: str, status: str, seconds: float, note: str = "") -> None:
        """Leave a line for a step that ended."""
        self._running.pop(step, None)
        self._done += 1
        self._failed += status in ("failed", "killed")
        self._line(f"{self._marks.of_status(status)} {words_for(step, status, seconds, note)}")

    def run_ended(self, name: str, status: str, seconds: float, links: dict[str, str]) -> None:
        """Say how the run ended and where it can be seen."""
        self.stop()
        super().run_ended(name, status, seconds, links)

    def stop(self) -> None:
        """Take away what moves."""
        self._over.set()
        self._running.clear()
        self._screen.clear()

    def stream_for(self, stream: TextIO) -> TextIO:
        """Return a stream whose text appears above what moves."""
        return cast(TextIO, Overheard(stream, self._put_above))

    def _put_above(self, stream: TextIO, text: str) -> None:
        self._screen.above(lambda: _put(stream, text), text)

    def input_by(self, asks: Callable[..., str]) -> Callable[..., str]:
        """Return an `input` or a `getpass` during which nothing moves."""

        def asked(*words: Any, **options: Any) -> str:
            with self._screen.left_alone():
                return asks(*words, **options)

        return asked

    def _print(self, text: str) -> None:
        self._screen.write_line(text)

    def _tick(self) -> None:
        while not self._over.wait(TICK):
            if time.monotonic() - self._began > _PATIENCE:
                self._screen.draw(self._moving())

    def _moving(self) -> list[str]:
        now = time.monotonic()
        running = [
            f"{self._marks.running} step {step} {clock(now - since)}"
            for step, since in list(self._running.items())
        ]
        return [*running, self._progress(now)]

    def _progress(self, now: float) -> str:
        counted = f"{self._done} of about {self._expected}" if self._expected else f"{self._done}"
        bar = f"{self._marks.bar(self._done, self._expected)} " if self._expected else ""
        failed = f", {self._failed} failed" if self._failed else ""
        many = "" if (self._expected or self._done) == 1 else "s"
        return f"{bar}{counted} step{many} done{failed}, {clock(now - self._began)}"


@contextmanager
def live_view() -> Iterator[LiveReporter]:
    """Watch runs on stderr; what is printed on the same terminal meanwhile appears above."""
    before = (sys.stdout, sys.stderr)
    view = LiveReporter(sys.stderr)
    if _is_same_terminal(sys.stdout, sys.stderr):
        sys.stdout = view.stream_for(sys.stdout)
    sys.stderr = view.stream_for(sys.stderr)
    asks, asks_hidden = builtins.input, getpass.getpass
    builtins.input = view.input_by(asks)  # both write to the terminal themselves, past every stream
    getpass.getpass = view.input_by(asks_hidden)
    try:
        yield view
    finally:
        builtins.input, getpass.getpass = asks, asks_hidden
        view.stop()
        sys.stdout, sys.stderr = before


def _put(stream: TextIO, text: str) -> None:
    stream.write(text)
    stream.flush()  # before anything is drawn below it


def clock(seconds: float) -> str:
    """Write a time that goes on: tenths of a second for a minute, then minutes, then hours."""
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02d}m"


def _is_same_terminal(one: TextIO, other: TextIO) -> bool:
    try:
        return one.isatty() and os.path.sameopenfile(one.fileno(), other.fileno())
    except (OSError, ValueError, AttributeError):
        return False
