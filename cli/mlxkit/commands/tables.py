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
    """Print a word and a value a line; what is empty is left out."""
    shown = [
        (cell(key), for_people(key, value) if key == "duration" else cell(value)) for key, value in pairs
    ]
    texts = [(key, text) for key, text in shown if text]
    indent = max((cell_len(key) for key, _ in texts), default=0) + GAP
    console = _console(has_colour=has_colour)
    for key, text in texts:
        room = max(20, console.width - indent)
        # An address stays on one line, which the terminal wraps: it is there to be clicked or copied.
        lines = [text] if "://" in text and " " not in text else fold(text, room).split("\n")
        console.print(Text(key, "bold"), " " * (indent - cell_len(key)), lines[0], sep="", soft_wrap=True)
        for line in lines[1:]:
            console.print(" " * indent, line, sep="", soft_wrap=True)


def _console(*, has_colour: bool) -> Console:
    system: Any = "auto" if has_colour else None
    return Console(file=sys.stdout, color_system=system, highlight=False, markup=False)
