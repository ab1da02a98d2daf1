"""Tables on a terminal; a pipe never comes here, so nothing of this is imported for one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .cells import cell, for_people
from .folding import GAP, column_widths, fold

_LEAST_ROOM = 24  # cells in which a value can be read


def draw_table(titles: Sequence[str], rows: Sequence[Sequence[str]], *, has_colour: bool) -> None:
    """Print rows below each other as wide as the terminal; where they do not fit, each as a block of lines."""
    console = _console(has_colour=has_colour)
    widths = column_widths([titles, *rows], console.width)
    if widths is None:
        for number, row in enumerate(rows):
            if number:
                console.print()
            pairs = [(title.lower(), text) for title, text in zip(titles, row, strict=True) if text]
            draw_pairs(pairs, has_colour=has_colour)
        return
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold")
    for title, width in zip(titles, widths, strict=True):
        table.add_column(title, width=width, no_wrap=True)
    for row in rows:
        table.add_row(*(fold(text, width) for text, width in zip(row, widths, strict=True)))
    console.print(table)


def draw_pairs(pairs: Sequence[tuple[str, Any]], *, has_colour: bool) -> None:
    """Print a word and a value a line; what is empty is left out.

    Where the words leave too little room beside them, a value that does not fit stands below its word.
    """
    shown = [
        (cell(key), for_people(key, value) if key == "duration" else cell(value)) for key, value in pairs
    ]
    texts = [(key, text) for key, text in shown if text]
    console = _console(has_colour=has_colour)
    indent = max((cell_len(key) for key, _ in texts), default=0) + GAP
    is_narrow = console.width - indent < _LEAST_ROOM
    for key, text in texts:
        start = cell_len(key) + GAP if is_narrow else indent
        lines = _folded(text, console.width - start)
        if is_narrow and (len(lines) > 1 or start + cell_len(text) > console.width):
            console.print(Text(key, "bold"), soft_wrap=True)
            start, lines = GAP, _folded(text, console.width - GAP)
        else:
            first, *lines = lines
            console.print(Text(key, "bold"), " " * (start - cell_len(key)), first, sep="", soft_wrap=True)
        for line in lines:
            console.print(" " * start, line, sep="", soft_wrap=True)


def _folded(text: str, room: int) -> list[str]:
    """Return the lines of a value; an address stays on one, which the terminal wraps: it is there to be copied."""
    if "://" in text and " " not in text:
        return [text]
    return fold(text, max(1, room)).split("\n")


def _console(*, has_colour: bool) -> Console:
    system: Any = "auto" if has_colour else None
    return Console(file=sys.stdout, color_system=system, highlight=False, markup=False)
