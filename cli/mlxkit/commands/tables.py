"""Tables on a terminal; a pipe never comes here, so nothing of this is imported for one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from .cells import cell
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
    """Print a word and a value a line."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in pairs:
        table.add_row(cell(key), cell(value))
    _console(has_colour=has_colour).print(table)


def _console(*, has_colour: bool) -> Console:
    system: Any = "auto" if has_colour else None
    return Console(file=sys.stdout, color_system=system, highlight=False, markup=False)
