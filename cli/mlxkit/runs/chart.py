"""A metric of several runs as a small chart of characters: dots of Braille, or letters where those cannot be printed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

Points = Sequence[tuple[float, float]]

_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # Braille dots by row and column
_HEIGHT, _LABEL = 8, 10  # lines of a chart, characters of an axis label


def chart(
    title: str, curves: Sequence[tuple[str, Points]], *, width: int = 80, is_plain: bool = False
) -> list[str]:
    """Return the lines of a chart; each curve has a letter, which stands beside its last point.

    `is_plain` draws with the letters themselves; one that covers another is a `*`.
    """
    finite = [(letter, [point for point in points if math.isfinite(point[1])]) for letter, points in curves]
    finite = [(letter, points) for letter, points in finite if points]
    if not finite:
        return [title, "  no finite value"]
    frame = _Frame(finite, max(10, width - _LABEL - 3 - len(finite)))
    draw = _plain if is_plain else _braille
    rows = draw(frame, finite)
    ends = _ends(frame, finite)
    labels = {0: _number(frame.high), _HEIGHT - 1: _number(frame.low)}
    side = "|" if is_plain else "│"
    body = [
        f"{labels.get(line, ''):>{_LABEL}} {side}{row}{' ' if ends.get(line) else ''}{ends.get(line, '')}".rstrip()
        for line, row in enumerate(rows)
    ]
    first, last = _number(frame.start), _number(frame.end)
    gap = max(1, frame.width - len(first) - len(last))
    foot = f"{'step':>{_LABEL}}  {first}" + (f"{' ' * gap}{last}" if frame.end > frame.start else "")
    return [title, *body, foot]


class _Frame:
    """The values that the chart spans, and how they fall onto it."""

    def __init__(self, curves: Sequence[tuple[str, Points]], width: int) -> None:
        xs, ys = zip(*(point for _, points in curves for point in points), strict=True)
        self.width = width
        self.start, self.end, self.low, self.high = min(xs), max(xs), min(ys), max(ys)

    def x(self, value: float, cells: int) -> int:
        return _scaled(value, self.start, self.end, cells)

    def y(self, value: float, cells: int) -> int:
        return cells - 1 - _scaled(value, self.low, self.high, cells)

    def places(self, points: Points, per_column: int, per_line: int) -> Iterator[tuple[int, int]]:
        """Yield the dots of a curve, joined from column to column."""
        columns, lines = self.width * per_column, _HEIGHT * per_line
        dots = [(self.x(x, columns), self.y(y, lines)) for x, y in points]
        before = dots[0]
        for dot in dots:
            reach = max(abs(dot[0] - before[0]), abs(dot[1] - before[1]), 1)
            for part in range(reach + 1):
                yield (
                    before[0] + round((dot[0] - before[0]) * part / reach),
                    before[1] + round((dot[1] - before[1]) * part / reach),
                )
            before = dot


def _scaled(value: float, low: float, high: float, cells: int) -> int:
    if high <= low:
        return (cells - 1) // 2
    share = value / 2 / (high / 2 - low / 2) - low / 2 / (
        high / 2 - low / 2
    )  # halves: the span itself may overflow
    return min(cells - 1, max(0, round(share * (cells - 1))))


def _braille(frame: _Frame, curves: Sequence[tuple[str, Points]]) -> list[str]:
    cells = [[0] * frame.width for _ in range(_HEIGHT)]
    for _, points in curves:
        for x, y in frame.places(points, 2, 4):
            cells[y // 4][x // 2] |= _BITS[y % 4][x % 2]
    return ["".join(chr(0x2800 + cell) if cell else " " for cell in line) for line in cells]


def _plain(frame: _Frame, curves: Sequence[tuple[str, Points]]) -> list[str]:
    cells = [[" "] * frame.width for _ in range(_HEIGHT)]
    for letter, points in curves:
        for x, y in frame.places(points, 1, 1):
            cells[y][x] = letter if cells[y][x] in (" ", letter) else "*"
    return ["".join(line) for line in cells]


def _ends(frame: _Frame, curves: Sequence[tuple[str, Points]]) -> dict[int, str]:
    found: dict[int, str] = {}
    for letter, points in curves:
        line = frame.y(points[-1][1], _HEIGHT)
        found[line] = found.get(line, "") + letter
    return found


def _number(value: float) -> str:
    return f"{value:.4g}"
