"""A few lines at the bottom of a terminal that are drawn again and again, and what is printed above them.

Child processes and whoever opens the terminal by its name write past us. What they leave is never erased: everything
of ours begins at the beginning of a line, the next one when theirs is unfinished.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO
from weakref import WeakSet

from ..dataclass import dataclass
from .live_others import Others

_CLEAR = "\x1b[J"  # from here to the end of the screen
_screens: WeakSet[Screen] = WeakSet()


class Screen:
    """The bottom of a terminal. Every method may be called from any thread, and none raises."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._drawn: list[str] = []
        self._is_mid_line = False
        self._lock = threading.RLock()
        self._others = _others(stream)
        _screens.add(self)

    def draw(self, lines: list[str]) -> None:
        """Draw lines at the bottom, as many and as much of them as fit; not within a line of somebody else's."""
        with self._lock:
            if self._is_mid_line or not self._is_ours_to_draw_on():
                return
            if self._others and self._others.are_busy():
                self._withdraw()
                return
            columns, rows = self._size()
            fitting = _folded([cut(line, columns - 1) for line in lines], rows - 1)
            if fitting:
                up = f"\x1b[{len(fitting) - 1}A" if len(fitting) > 1 else ""
                self._put(self._fresh() + "\n".join(fitting) + up + "\r")
            self._drawn = fitting

    def clear(self) -> None:
        """Take the lines away."""
        with self._lock:
            if self._drawn:
                self._drawn = []
                self._put(self._fresh())

    def write_line(self, text: str) -> None:
        """Leave a line above."""
        with self._lock:
            start = "\n" if self._is_mid_line else self._fresh()
            self._drawn, self._is_mid_line = [], False
            self._put(f"{start}{text}\n")

    def above(self, write: Callable[[], object], text: str) -> None:
        """Have somebody else's text written above; what it raises is raised."""
        with self._lock:
            if text:
                self.clear()
            try:
                write()
            finally:
                if text:
                    self._is_mid_line = not text.endswith("\n")

    @contextmanager
    def left_alone(self) -> Iterator[None]:
        """Draw nothing inside: somebody answers a question."""
        with self._lock:
            self.clear()
            self._is_mid_line = True
        try:
            yield
        finally:
            self._is_mid_line = False  # the answer ended with the line

    def forget(self) -> None:
        """Begin anew in a forked child, where nothing of this is drawn and no lock is held."""
        self._lock = threading.RLock()
        self._drawn = []

    def _withdraw(self) -> None:
        """Take away what is left of our lines below what somebody else may have written over them."""
        if self._drawn:
            self._drawn = []
            self._put(_CLEAR)

    def _fresh(self) -> str:
        """Return what goes to the beginning of a line with nothing on it, wherever the cursor is.

        As many blanks as a line has places fill a line from its beginning, and the cursor stays there until more
        comes; from anywhere else they reach into the next line.
        """
        return " " * self._size()[0] + "\r" + _CLEAR

    def _put(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # the terminal went away; the run goes on
            pass

    def _size(self) -> tuple[int, int]:
        try:
            size = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):
            return 80, 24
        return size.columns or 80, size.lines or 24

    def _is_ours_to_draw_on(self) -> bool:
        """Say whether we are in the foreground; in the background a shell has the terminal."""
        try:
            return os.tcgetpgrp(self._stream.fileno()) == os.getpgrp()
        except (OSError, ValueError):  # not the terminal of this session: nobody else's either
            return True


@dataclass(frozen=True)
class Marks:
    """What stands before a step: signs where the encoding has them, colours where they are wanted."""

    done: str
    cached: str
    failed: str
    running: str
    full: str
    rest: str

    @staticmethod
    def of(stream: TextIO, *, has_colour: bool) -> Marks:
        """Return the marks that a stream can show."""
        signs = "✔≡✘▸█░"
        try:
            signs.encode(stream.encoding or "ascii")
        except (UnicodeEncodeError, LookupError):
            signs = "+=x>#."
        colours = ("32", "36", "31", "33", "32", "2") if has_colour else ("",) * 6
        return Marks(
            *(
                f"\x1b[{code}m{sign}\x1b[0m" if code else sign
                for sign, code in zip(signs, colours, strict=True)
            )
        )

    def of_status(self, status: str) -> str:
        """Return the mark of a step that ended."""
        return {"completed": self.done, "cached": self.cached}.get(status, self.failed)

    def bar(self, done: int, of: int | None, width: int = 20) -> str:
        """Draw how much of what is expected is done."""
        full = min(width, width * done // max(1, of or 1))
        return self.full * full + self.rest * (width - full)


def _others(stream: TextIO) -> Others | None:
    try:
        return Others(stream.fileno())
    except (OSError, ValueError):
        return None


def cut(text: str, columns: int) -> str:
    """Return as much of a text as fits a line; colours take no place, and signs of East Asia take two."""
    shown: list[str] = []
    at = width = 0
    has_colour = False
    while at < len(text):
        if text[at] == "\x1b":
            end = text.index("m", at) + 1
            shown.append(text[at:end])
            has_colour = True
            at = end
            continue
        width += _width(text[at])
        if width > columns:
            break
        shown.append(text[at])
        at += 1
    return "".join(shown) + ("\x1b[0m" if has_colour and at < len(text) else "")


def _width(character: str) -> int:
    if character < "\u0300":
        return 1
    import unicodedata

    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _folded(lines: list[str], rows: int) -> list[str]:
    """Return the lines, the first of them counted instead of shown where there are more than rows."""
    if len(lines) <= max(1, rows):
        return lines
    if rows < 3:
        return lines[-1:]
    return [f"... {len(lines) - rows + 1} more", *lines[-(rows - 1) :]]


def _forget_all() -> None:
    for screen in list(_screens):
        screen.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
