"""What is said while a run goes on: one line an event, and a word every 30 seconds so that CI never waits in silence."""

from __future__ import annotations

import sys
import threading
import time
from typing import Protocol, TextIO

HEARTBEAT_SECONDS = 30.0


class Reporter(Protocol):
    """Told of every event of a run; a reporter never raises into the run."""

    def run_started(self, name: str, stack: str, tracker: str | None) -> None: ...

    def step_started(self, step: str) -> None: ...

    def step_ended(self, step: str, status: str, seconds: float, note: str = "") -> None: ...

    def step_retried(self, step: str, attempt: int, error: str) -> None: ...

    def detail(self, text: str) -> None: ...

    def run_ended(self, name: str, status: str, seconds: float, links: dict[str, str]) -> None: ...


class LineReporter:
    """Write a line per event to a stream (stderr)."""

    def __init__(
        self, stream: TextIO | None = None, *, is_quiet: bool = False, heartbeat: float = HEARTBEAT_SECONDS
    ) -> None:
        self._stream = stream
        self._is_quiet = is_quiet
        self._heartbeat = heartbeat
        self._running: dict[str, float] = {}
        self._spoke = time.monotonic()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def run_started(self, name: str, stack: str, tracker: str | None) -> None:
        """Name the run, its stack and tracker."""
        self._line(f"run {name} started on stack {stack}" + (f", tracker {tracker}" if tracker else ""))
        self._stop.clear()
        self._thread = threading.Thread(target=self._beat, name="mlx-heartbeat", daemon=True)
        self._thread.start()

    def step_started(self, step: str) -> None:
        """Say that a step runs now."""
        self._running[step] = time.monotonic()
        self._line(f"step {step} started")

    def step_ended(self, step: str, status: str, seconds: float, note: str = "") -> None:
        """Say how a step ended."""
        self._running.pop(step, None)
        word = "done" if status == "completed" else status
        took = f" {_seconds(seconds)}" if status in ("completed", "failed", "killed") else ""
        self._line(f"step {step} {word}{took}" + (f" ({note})" if note else ""))

    def step_retried(self, step: str, attempt: int, error: str) -> None:
        """Say that a step is tried again."""
        self._line(f"step {step} failed at attempt {attempt}: {error}; trying again")

    def detail(self, text: str) -> None:
        """Pass on a longer text, such as the traceback of a failed step."""
        self._line(text)

    def run_ended(self, name: str, status: str, seconds: float, links: dict[str, str]) -> None:
        """Say how the run ended and where it can be seen."""
        self._stop.set()
        self._line(f"run {name} {status} in {_seconds(seconds)}")
        for label, value in links.items():
            self._line(f"  {label}: {value}")

    def _line(self, text: str) -> None:
        self._spoke = time.monotonic()
        if self._is_quiet:
            return
        stream = self._stream or sys.stderr
        try:
            stream.write(text + "\n")
            stream.flush()
        except (OSError, ValueError):  # the terminal went away; the run goes on
            self._is_quiet = True

    def _beat(self) -> None:
        while not self._stop.wait(min(1.0, self._heartbeat)):
            if time.monotonic() - self._spoke >= self._heartbeat:
                for step, since in list(self._running.items()):
                    self._line(f"step {step} still running, {_seconds(time.monotonic() - since)}")


class EndReporter(LineReporter):
    """Say only how the run ended and where it is: what goes before it on the screen is the program's."""

    def run_started(self, name: str, stack: str, tracker: str | None) -> None:
        """Say nothing."""


def _seconds(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.2f}s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest:02d}s"
