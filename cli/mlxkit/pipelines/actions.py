"""A run under GitHub Actions: a group for each step, errors at their line, secrets masked, a summary of the job.

The runner takes lines of stdout and of stderr for commands, of whoever prints them. So commands are stopped, under a
token that nobody can guess, but for the moments in which ours are written. That needs one order of lines: where both
streams go to the runner itself, stderr is joined to stdout for the time of a run. A stream that goes elsewhere (a
file, `| jq`) is left alone, and secrets are told on a stream only that goes to the runner itself.

Sources: "Workflow commands for GitHub Actions" in GitHub's documentation, and the runner's parser of them.
"""

from __future__ import annotations

import os
import stat
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

from ..errors import MlxError
from ..secrets import masking
from ..secrets.patterns import MIN_LENGTH
from .overheard import Overheard
from .reporting import LineReporter
from .summary import append_summary

if TYPE_CHECKING:
    from ..runs.records import RunRecord, StepRecord


class WorkflowReporter(LineReporter):
    """Tell of a run in lines and in commands to the runner."""

    def __init__(self, stream: TextIO, *, is_quiet: bool = False, tells_secrets: bool = True) -> None:
        super().__init__(stream, is_quiet=is_quiet)
        self._to = stream
        self._tells_secrets = tells_secrets
        self._token: str | None = None
        self._is_mid_line = False
        self._has_told_error = False
        self._open: set[str] = set()
        self._lock = threading.RLock()

    def begin(self) -> None:
        """Stop the runner from obeying what is printed, and have it mask every secret before its first use."""
        with self._lock:
            self._command()
        if self._tells_secrets:
            masking.listen(self._mask)

    def end(self) -> None:
        """Let the runner obey again."""
        masking.listen(None)
        with self._lock:
            closing = ["::endgroup::"] if self._open else []
            self._open.clear()
            self._put(self._resumed() + closing)

    def step_started(self, step: str) -> None:
        """Open a group for what the step prints."""
        with self._lock:
            self._open.add(step)
            self._command(f"::group::{escaped(f'step {step}')}")
        super().step_started(step)

    def step_ended(self, step: str, status: str, seconds: float, note: str = "") -> None:
        """Close the group."""
        with self._lock:
            if step in self._open:
                self._open.discard(step)
                self._command("::endgroup::")
        super().step_ended(step, status, seconds, note)

    def gathers(self) -> bool:
        """Have one group after the other: groups do not nest, and lines of several steps in one help nobody."""
        return True

    def step_retried(self, step: str, attempt: int, error: str) -> None:
        """Warn that a step is tried again."""
        self._command(
            annotation("warning", f"failed at attempt {attempt}: {error}; trying again", f"step {step}")
        )

    def warned(self, text: str) -> None:
        """Put a warning beside the job."""
        self._command(annotation("warning", text, "mlx"))

    def failed_at(self, title: str, message: str, place: str) -> None:
        """Put an error at the line of the user's code."""
        self._has_told_error = True
        self._command(annotation("error", message, title, place))

    def failed(self, error: MlxError) -> None:
        """Tell of what ended the command, unless it was told with its line."""
        if not self._has_told_error:
            self._command(annotation("error", masking.mask_text(error.message), "mlx"))

    def summarised(
        self,
        run: RunRecord,
        steps: Sequence[StepRecord],
        metrics: Mapping[str, float],
        links: Mapping[str, str],
    ) -> None:
        """Add the run to the summary of the job."""
        append_summary(os.environ.get("GITHUB_STEP_SUMMARY", ""), run, steps, metrics, links)

    def watched(self, stream: TextIO) -> TextIO:
        """Return a stream that lets us know whether its last line is complete, so that ours is not put behind it."""
        return cast(TextIO, Overheard(stream, self._pass_on))

    def _pass_on(self, stream: TextIO, text: str) -> None:
        if text:
            self._is_mid_line = not text.endswith("\n")
        stream.write(text)

    def _line(self, text: str) -> None:
        with self._lock:
            if self._is_mid_line and not self._is_quiet:
                self._is_mid_line = False
                self._write("\n")
            super()._line(text)

    def _mask(self, value: str) -> None:
        """Have a value masked from now on, line by line, as the runner compares lines."""
        lines = [line.strip() for line in value.splitlines()]
        found = [f"::add-mask::{escaped(line)}" for line in lines if len(line) >= MIN_LENGTH]
        if found:
            self._command(*found)

    def _command(self, *commands: str) -> None:
        """Write commands, obeyed, and stop the runner from obeying again: at once, so that nothing comes between."""
        with self._lock:
            resumed = self._resumed()
            self._token = os.urandom(20).hex()
            self._put([*resumed, *commands, f"::stop-commands::{self._token}"])

    def _resumed(self) -> list[str]:
        """Return what lets the runner obey again, if it does not."""
        token, self._token = self._token, None
        return [f"::{token}::"] if token else []

    def _put(self, lines: list[str]) -> None:
        """Write lines after an empty one, which ends whatever stands there.

        A child process writes past us, and so does C code: that the last line is complete cannot be known. A token
        behind an unfinished line is no command, and the runner would obey none of ours from there on.
        """
        if sys.stdout is not None:
            sys.stdout.flush()
        self._is_mid_line = False
        self._write("".join(f"{line}\n" for line in ["", *lines]))

    def _write(self, text: str) -> None:
        try:
            self._to.write(text)
            self._to.flush()
        except (OSError, ValueError):  # the log went away; the run goes on
            pass


@contextmanager
def workflow_commands(*, is_quiet: bool = False, is_joined: bool = True) -> Iterator[WorkflowReporter]:
    """Give the reporter for runs in a job; `is_joined=False` leaves the streams apart, where stdout carries data."""
    with ExitStack() as undo:
        is_heard = _goes_to_the_runner(2)
        is_one = is_joined and is_heard and _goes_to_the_runner(1) and _join(undo)
        reporter = WorkflowReporter(sys.stderr, is_quiet=is_quiet, tells_secrets=is_heard)
        before = (sys.stdout, sys.stderr)
        if is_one:
            sys.stdout = reporter.watched(sys.stdout)
        sys.stderr = reporter.watched(sys.stderr)
        reporter.begin()
        try:
            yield reporter
        except MlxError as error:
            reporter.failed(error)
            raise
        finally:
            sys.stdout, sys.stderr = before
            reporter.end()


def annotation(level: str, message: str, title: str, place: str = "") -> str:
    """Return the command for a message at a place in the code (`file:line`), or at none."""
    properties = {"title": title}
    file, _, line = place.rpartition(":")
    if file and line.isdigit():
        properties = {"file": _in_workspace(file), "line": line, **properties}
    shown = ",".join(f"{key}={_escaped_property(value)}" for key, value in properties.items())
    return f"::{level} {shown}::{escaped(message)}"


def escaped(text: str) -> str:
    """Return a text as the value of a command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escaped_property(text: str) -> str:
    return escaped(text).replace(":", "%3A").replace(",", "%2C")


def _in_workspace(file: str) -> str:
    """Return a path as GitHub shows it, relative to the checkout."""
    workspace = os.environ.get("GITHUB_WORKSPACE")
    path = Path(file).resolve()
    if workspace and path.is_relative_to(Path(workspace).resolve()):
        return path.relative_to(Path(workspace).resolve()).as_posix()
    return path.as_posix()


def _goes_to_the_runner(number: int) -> bool:
    """Say whether a stream is the runner's: no file, and redirected by no process of the job that this one is in.

    A process of the job has GITHUB_ACTIONS in its environment, the runner has not. The parent is compared in any
    case. Where the system does not tell what the parent has, everything but a file counts as the runner's.
    """
    try:
        mine = os.fstat(number)
    except OSError:
        return False
    if stat.S_ISREG(mine.st_mode):
        return False
    process = os.getppid()
    try:
        while True:
            theirs = os.stat(f"/proc/{process}/fd/{number}")  # noqa: PTH116
            if (mine.st_dev, mine.st_ino) != (theirs.st_dev, theirs.st_ino):
                return False
            process = _parent(process)
            if b"GITHUB_ACTIONS=true" not in Path(f"/proc/{process}/environ").read_bytes().split(b"\0"):
                return True
    except OSError:
        return True


def _parent(process: int) -> int:
    """Return the parent of a process; raises OSError where the system does not tell."""
    told = Path(f"/proc/{process}/stat").read_bytes()
    return int(told.rpartition(b")")[2].split()[1])  # the name before it may hold anything


def _join(undo: ExitStack) -> bool:
    """Let what goes to stderr go to stdout, in order; False where Python's streams are not the process's."""
    try:
        if (sys.stdout.fileno(), sys.stderr.fileno()) != (1, 2):
            return False
    except (OSError, ValueError, AttributeError):
        return False
    sys.stdout.flush()
    sys.stderr.flush()
    cast(Any, sys.stdout).reconfigure(line_buffering=True)
    kept = os.dup(2)

    def put_back() -> None:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os.dup2(kept, 2)
        os.close(kept)

    os.dup2(1, 2)
    undo.callback(put_back)
    return True
