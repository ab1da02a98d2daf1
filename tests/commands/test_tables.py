"""Tables and pairs on terminals of any width."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len

from mlxkit.commands.tables import draw_pairs
from tests.conftest import Result
from tests.fixtures.terminals import on_terminal

PIPELINE = """\
from mlxkit import pipeline, step

@step
def fit(rate: float) -> float:
    return rate

@pipeline
def training(learning_rate_of_the_first: float = 0.1) -> None:
    fit(learning_rate_of_the_first)
"""
WORDS = "a sentence of some length that has to be folded somewhere"


def drawn(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int, *pairs: tuple[str, str]
) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(columns))
    draw_pairs(pairs, has_colour=False)
    return capsys.readouterr().out.splitlines()


def test_values_stand_below_each_other(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = drawn(capsys, monkeypatch, 40, ("name", "small"), ("note", WORDS))
    assert lines[:2] == ["name  small", "note  a sentence of some length that has"]
    assert all(line.startswith(" " * 6) for line in lines[2:])


def test_a_value_that_has_too_little_room_beside_its_word_stands_under_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    label = "parameters.a_label_of_26_cells"
    lines = drawn(capsys, monkeypatch, 40, ("name", "small"), (label, WORDS), ("id", "x" * 50))
    assert lines[:3] == ["name  small", label, "  a sentence of some length that has to"]
    assert lines[-2:] == ["  " + "x" * 38, "  " + "x" * 12]
    assert all(cell_len(line) <= 40 for line in lines)


def test_an_address_is_never_broken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    address = "https://tracker.example.com/" + "x" * 60
    lines = drawn(capsys, monkeypatch, 40, ("a_label_that_takes_most_of_the_line", "x"), ("url", address))
    assert lines[-2:] == ["url", f"  {address}"]


@pytest.mark.parametrize(("typed", "columns"), [("runs describe", 40), ("flavor describe mlflow", 80), ("flavor describe mlflow", 40)])  # fmt: skip
def test_what_is_described_fits_the_terminal(mlx: Callable[..., Result], typed: str, columns: int) -> None:
    Path("train.py").write_text(PIPELINE)
    assert mlx("run", "train.py").code == 0
    with on_terminal([sys.executable, "-m", "mlxkit", *typed.split()], rows=200, columns=columns) as terminal:
        terminal.wait()
        shown = terminal.screen(rows=200, columns=400).text
    assert [line for line in shown if len(line.rstrip()) > columns and "://" not in line] == []
    assert len([line for line in shown if line.strip()]) > 8
