"""Charts of characters."""

from __future__ import annotations

import math

import pytest

from mlxkit.runs.chart import chart

FALLING = [(float(step), 10.0 - step) for step in range(11)]
RISING = [(float(step), float(step)) for step in range(11)]


def test_a_letter_ends_each_curve_and_the_axes_carry_the_ends() -> None:
    lines = chart("loss", [("A", FALLING), ("B", RISING)], width=60)
    assert lines[0] == "loss" and len(lines) == 10 and max(map(len, lines)) <= 60
    assert lines[1].startswith("        10 │") and lines[1].endswith(" B")
    assert lines[8].startswith("         0 │") and lines[8].endswith(" A")
    assert lines[9].split() == ["step", "0", "10"]
    dots = {char for line in lines[1:9] for char in line[12:] if char not in " AB"}
    assert dots and all(0x2800 < ord(char) <= 0x28FF for char in dots)


def test_without_braille_the_letters_draw_and_meet_in_a_star() -> None:
    lines = chart("loss", [("A", FALLING), ("B", RISING)], width=60, is_plain=True)
    assert "".join(lines).isascii()
    columns = [line[12:].ljust(48) for line in lines[1:9]]
    assert columns[0][0] == "A" and columns[7][0] == "B"
    middle = [line[20:26] for line in columns]
    assert any("*" in part for part in middle), "they cross in the middle"
    assert all(any(line[x] != " " for line in columns) for x in range(45)), "a line has no holes"


@pytest.mark.parametrize(
    "points",
    [
        [(0.0, 1.0)], [(5.0, 2.0), (5.0, 2.0)], [(0.0, 1e308), (1.0, -1e308)], [(0.0, 0.0), (1e300, 1e-300)],
        [(0.0, math.nan), (1.0, 1.0), (2.0, math.inf)],
    ],
)  # fmt: skip
@pytest.mark.parametrize("is_plain", [True, False])
def test_odd_values_make_a_chart_too(points: list[tuple[float, float]], is_plain: bool) -> None:
    lines = chart("m", [("A", points)], width=40, is_plain=is_plain)
    assert len(lines) == 10 and max(map(len, lines)) <= 40
    assert sum(line.endswith(" A") for line in lines) == 1


def test_nothing_finite_is_said() -> None:
    assert chart("m", [("A", [(0.0, math.nan)])]) == ["m", "  no finite value"]
