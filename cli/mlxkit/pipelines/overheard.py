"""A text stream of the user's, with somebody who hears what is written to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TextIO


class Overheard:
    """The stream in everything but writing, which `write` does; it takes the stream and the text."""

    def __init__(self, stream: TextIO, write: Callable[[TextIO, str], None]) -> None:
        self._stream = stream
        self._write = write

    def write(self, text: str) -> int:
        self._write(self._stream, text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
