"""What a run prints: masked on its way to the terminal, and kept in a log file per step."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import IO, Any, TextIO, cast

from ..config.files import make_private_dir
from ..secrets.masking import MaskedStream, mask_text
from .steplines import StepLines, log_name


class RunOutput:
    """Stand between user code and stdout/stderr during a run; `step` names the log that is written to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log: IO[str] | None = None
        self._step: str | None = None
        self._before: tuple[TextIO, TextIO] | None = None
        self._masked: tuple[MaskedStream, ...] = ()

    @cached_property
    def _relays(self) -> StepLines:
        return StepLines(self._folder, lambda: self._before[0] if self._before else sys.stdout)

    def __enter__(self) -> RunOutput:
        self._before = (sys.stdout, sys.stderr)
        out = MaskedStream(cast(TextIO, _Tee(sys.stdout, self)))
        err = MaskedStream(cast(TextIO, _Tee(sys.stderr, self)))
        sys.stdout, sys.stderr = out, err
        self._masked = (out, err)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end_step()
        if self._before is not None:
            sys.stdout, sys.stderr = self._before

    @contextmanager
    def of_step(self, step: str, position: int) -> Iterator[None]:
        """Send what is printed inside to the step's log too."""
        self.begin_step(step, position)
        try:
            yield
        finally:
            self.end_step()

    def begin_step(self, step: str, position: int) -> None:
        """Send what is printed from now on to the step's log too."""
        self.end_step()
        self._step = log_name(step, position)

    def end_step(self) -> None:
        """Close the step's log."""
        for stream in self._masked:  # an end that looks like the beginning of a secret was held back
            stream.finish()
        if self._log is not None:
            self._log.close()
            self._log = None
        self._step = None

    def relay(
        self, step: str, position: int, text: str, *, is_shown: bool = True, is_gathered: bool = False
    ) -> None:
        """Take what a step printed on a worker: to its log, and line by line, under its name, to the terminal.

        What is gathered is shown when the step is over.
        """
        self._relays.take(step, position, text, is_shown=is_shown, is_gathered=is_gathered)

    def end_relay(self, position: int) -> None:
        """Write the last line of a step that ended without a line break, and close its log."""
        self._relays.end(position)

    def note(self, text: str) -> None:
        """Write to the step's log what the reporter said of it (a traceback)."""
        self.write(mask_text(text) + "\n")

    def write(self, text: str) -> None:
        """Append to the step's log; a full disk must not end the run."""
        if self._step is None or not text:
            return
        try:
            if self._log is None:
                path = make_private_dir(self._folder) / self._step
                self._log = path.open("a", encoding="utf-8", errors="replace")
                path.chmod(0o600)
            self._log.write(text)
            self._log.flush()
        except OSError:
            self._log = None


class _Tee:
    """A text stream that also writes to the log of the running step."""

    def __init__(self, stream: TextIO, output: RunOutput) -> None:
        self._stream = stream
        self._output = output

    def write(self, text: str) -> int:
        self._output.write(text)
        return self._stream.write(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
