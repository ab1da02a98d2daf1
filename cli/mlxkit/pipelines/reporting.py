"""What is said while a run goes on: one line an event, and a word every 30 seconds so that CI never waits in silence."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from ..runs.records import RunRecord, StepRecord

HEARTBEAT_SECONDS = 30.0


class Reporter(Protocol):
    """Told of every event of a run; a reporter never raises into the run."""

    def run_started(self, name: str, stack: str, tracker: str | None) -> None: ...

    def expect(self, count: Callable[[], int | None]) -> None:
        """Offer the number of steps of the last run like this, for whoever shows it: it has to be looked up."""

    def step_started(self, step: str) -> None: ...

    def step_ended(self, step: str, status: str, seconds: float, note: str = "") -> None: ...

    def step_retried(self, step: str, attempt: int, error: str) -> None: ...

    def gathers(self) -> bool:
        """Whether the output of steps that run at once is to be shown step by step, each when it is over."""

    def failed_at(self, title: str, message: str, place: str) -> None:
        """Tell in which line of the user's code something failed (`file:line`, or nothing), beside the details."""

    def detail(self, text: str) -> None: ...

    def warned(self, text: str) -> None:
        """Tell of what somebody has to look after; --quiet does not hide it."""

    def summarised(
        self,
        run: RunRecord,
        steps: Sequence[StepRecord],
        metrics: Mapping[str, float],
        links: Mapping[str, str],
    ) -> None:
        """Tell of the whole run once it is recorded, before `run_ended`."""

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

    def expect(self, count: Callable[[], int | None]) -> None:
        """Ask for nothing: lines do not count."""

    def step_started(self, step: str) -> None:
        """Say that a step runs now."""
        self._running[step] = time.monotonic()
        self._line(f"step {step} started")

    def step_ended(self, step: str, status: str, seconds: float, note: str = "") -> None:
        """Say how a step ended."""
        self._running.pop(step, None)
        self._line(words_for(step, status, seconds, note))

    def gathers(self) -> bool:
        """Show each line when it comes, under the name of its step."""
        return False

    def step_retried(self, step: str, attempt: int, error: str) -> None:
        """Say that a step is tried again."""
        self._line(f"step {step} failed at attempt {attempt}: {error}; trying again")

    def failed_at(self, title: str, message: str, place: str) -> None:
        """Say nothing: the details have it."""

    def summarised(
        self,
        run: RunRecord,
        steps: Sequence[StepRecord],
        metrics: Mapping[str, float],
        links: Mapping[str, str],
    ) -> None:
        """Say nothing: it was all said line by line."""

    def detail(self, text: str) -> None:
        """Pass on a longer text, such as the traceback of a failed step."""
        self._line(text)

    def warned(self, text: str) -> None:
        """Say it, also when nothing else is said."""
        self._print(f"warning: {text}")

    def run_ended(self, name: str, status: str, seconds: float, links: dict[str, str]) -> None:
        """Say how the run ended and where it can be seen."""
        self._stop.set()
        self._line(f"run {name} {status} in {_seconds(seconds)}")
        for label, value in links.items():
            self._line(f"  {label}: {value}")

    def _line(self, text: str) -> None:
        self._spoke = time.monotonic()
        if not self._is_quiet:
            self._print(text)

    def _print(self, text: str) -> None:
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


def words_for(step: str, status: str, seconds: float, note: str = "") -> str:
    """Return the line about a step that ended."""
    word = "done" if status == "completed" else status
    took = f" {_seconds(seconds)}" if status in ("completed", "failed", "killed") else ""
    return f"step {step} {word}{took}" + (f" ({note})" if note else "")


def _seconds(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.2f}s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest:02d}s"
