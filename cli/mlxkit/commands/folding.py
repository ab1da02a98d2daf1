"""How a table fits the width of a terminal: which columns are folded, where a word may be broken, when it is no table."""

from __future__ import annotations

import re
from collections.abc import Sequence

GAP = 2
_LONGEST_PIECE = 24  # what is longer may be broken anywhere
# A long name is broken after what separates its parts, before it is broken anywhere.
_PIECES = re.compile(r".*?(?:::|[/_,.=-]|$)", re.DOTALL)


def column_widths(rows: Sequence[Sequence[str]], room: int) -> list[int] | None:
    """Return a width for every column so that a row fits into `room` cells, or None when no table does.

    No column is narrower than its longest piece; above that the long ones share what the short ones leave.
    """
    columns = list(zip(*rows, strict=True))
    least = [max(1, *(_longest_piece(text) for text in column)) for column in columns]
    most = [max(1, *(_cells(text) for text in column)) for column in columns]
    room -= GAP * (len(columns) - 1)
    for limit in range(max(most), 0, -1):
        widths = [max(low, min(high, limit)) for low, high in zip(least, most, strict=True)]
        if sum(widths) <= room:
            return widths
    return None


def fold(text: str, width: int) -> str:
    """Break a text into lines of at most `width` cells: between words, else between the parts of a name."""
    from rich.cells import chop_cells

    lines = [""]
    for word in text.split():
        if _cells(lines[-1]) + 1 + _cells(word) <= width and lines[-1]:
            lines[-1] += f" {word}"
            continue
        lines.append("")
        for piece in [word] if _cells(word) <= width else _PIECES.findall(word):
            if _cells(lines[-1]) + _cells(piece) <= width:
                lines[-1] += piece
            else:
                lines += chop_cells(piece, width)
    return "\n".join(line for line in lines if line)


def _longest_piece(text: str) -> int:
    pieces = (piece for word in text.split() for piece in _PIECES.findall(word))
    return min(_LONGEST_PIECE, max(map(_cells, pieces), default=0))


def _cells(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)
