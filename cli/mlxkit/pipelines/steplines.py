"""Output of steps that run at once: a log file each, and whole lines under the step's name on the terminal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from ..config.files import make_private_dir
from ..secrets.masker import Masker
from ..secrets.masking import known_values, mask_text

_LONGEST = 16_384  # characters of a line that is still waiting for its end


def log_name(step: str, position: int) -> str:
    """Return the name of a step's log file."""
    return f"{position:05d}-{step}.log"


class StepLines:
    """Takes pieces of output by step; `stream` gives where lines are shown."""

    def __init__(self, folder: Path, stream: Callable[[], TextIO]) -> None:
        self._folder = folder
        self._stream = stream
        self._begun: dict[int, tuple[str, str]] = {}
        self._gathered: dict[int, list[str]] = {}
        self._maskers: dict[int, Masker] = {}  # a secret may come in two pieces
        self._steps: dict[int, str] = {}

    def take(
        self, step: str, position: int, text: str, *, is_shown: bool = True, is_gathered: bool = False
    ) -> None:
        """Append a piece to the step's log, and show the lines that it completes."""
        masker = self._maskers.setdefault(position, Masker(()))
        masker.use(known_values())
        self._steps[position] = step
        self._took(position, masker.feed(text), is_shown=is_shown, is_gathered=is_gathered)

    def _took(self, position: int, text: str, *, is_shown: bool = True, is_gathered: bool = False) -> None:
        step = self._steps[position]
        self._append(log_name(step, position), text)
        if not (is_shown and text):
            return
        if is_gathered:
            self._gathered.setdefault(position, []).append(text)
            return
        whole = self._begun.pop(position, (step, ""))[1] + text
        lines = whole.splitlines(keepends=True)
        rest = (
            lines.pop()
            if lines and not lines[-1].endswith(("\n", "\r")) and len(lines[-1]) < _LONGEST
            else ""
        )
        if rest:
            self._begun[position] = (step, rest)
        self._show(step, lines)

    def end(self, position: int) -> None:
        """Show the line that a step left without an end."""
        masker = self._maskers.pop(position, None)
        if masker is not None:
            self._took(position, masker.finish(), is_gathered=position in self._gathered)
            del self._steps[position]
        step, rest = self._begun.pop(position, ("", ""))
        if rest:
            self._show(step, [rest])
        gathered = "".join(self._gathered.pop(position, ()))
        if gathered:
            self._write(gathered if gathered.endswith("\n") else f"{gathered}\n")

    def _show(self, step: str, lines: list[str]) -> None:
        if lines:
            self._write("".join(f"[{step}] {line.rstrip(chr(10) + chr(13))}\n" for line in lines))

    def _write(self, shown: str) -> None:
        try:
            self._stream().write(mask_text(shown))
            self._stream().flush()
        except (OSError, ValueError):  # the terminal went away; the run goes on
            return

    def _append(self, name: str, text: str) -> None:
        """Write to a step's log; a full disk must not end the run."""
        try:
            path = make_private_dir(self._folder) / name
            with path.open("a", encoding="utf-8", errors="replace") as log:
                log.write(text)
            path.chmod(0o600)
        except OSError:
            return
