"""Text of others on a terminal: its colours are shown, what would steer the terminal is not."""

from __future__ import annotations

import re
import sys

from . import terminal
from .cells import STEERING, written_out
from .streams import put

_END = "\x1b[0m"
_COLOUR = r"\x1b\[[0-9;:]*m"
# Strings such as a window's title, control sequences, and escapes of one letter.
_SEQUENCE = re.compile(
    r"\x1b(?:[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)|\[[0-?]*[ -/]*[@-~]|[ -/]+[0-~]|[0-OQ-WYZ`-~])"
)
_BEGUN = re.compile(r"\x1b(?:[\]PX^_][^\x07\x1b\n]*\x1b?|\[[0-?]*[ -/]*|[ -/]*)?\Z")
_LONGEST = 4096  # characters of a sequence that is waited for
_KEPT = re.compile(f"({_COLOUR}|[\\n\\t\\r])")


class Tamed:
    """Take text in pieces and give what a terminal may have of it; a sequence may go across the pieces."""

    def __init__(self) -> None:
        self._held = ""
        self._is_coloured = False

    def feed(self, piece: str) -> str:
        """Return what may be shown so far."""
        text = self._held + piece
        begun = _BEGUN.search(text)
        cut = len(text) if begun is None or len(text) - begun.start() > _LONGEST else begun.start()
        self._held = text[cut:]
        return self._tamed(text[:cut])

    def finish(self) -> str:
        """Return what was held back, and the end of a colour that was left on."""
        shown, self._held = self._tamed(self._held), ""
        end, self._is_coloured = _END if self._is_coloured else "", False
        return shown + end

    def _tamed(self, text: str) -> str:
        if not STEERING.search(text):
            return text
        kept = _SEQUENCE.sub(lambda found: found[0] if re.fullmatch(_COLOUR, found[0]) else "", text)
        colours = re.findall(_COLOUR, kept)
        if colours:
            self._is_coloured = colours[-1] not in (_END, "\x1b[m")
        parts = _KEPT.split(kept)
        return "".join(
            part if index % 2 else STEERING.sub(written_out, part) for index, part in enumerate(parts)
        )


def put_text(text: str) -> None:
    """Print a whole text: tamed on a terminal, as it is on a pipe."""
    if terminal.is_terminal(sys.stdout):
        tamed = Tamed()
        text = tamed.feed(text) + tamed.finish()
    put(text)
