"""How tables fit a terminal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from mlxkit.commands.folding import GAP, column_widths, fold

TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=60)


def test_a_table_that_fits_keeps_every_width() -> None:
    assert column_widths([("ID", "NAME"), ("abc", "training")], 80) == [3, 8]


def test_an_id_is_never_broken_and_the_long_column_folds() -> None:
    run = "1m7zehw2me0dwxx7"
    widths = column_widths([("ID", "NAME"), (run, "diabetes-2026_11_21-16_20_41_172726")], 40)
    assert widths == [16, 22]
    assert fold("diabetes-2026_11_21-16_20_41_172726", 22) == "diabetes-2026_11_21-\n16_20_41_172726"


def test_columns_that_cannot_be_folded_into_the_room_are_no_table() -> None:
    assert column_widths([tuple("abcdefghij")] * 2, 20) is None
    assert column_widths([("x" * 16,) * 6], 80) is None


def test_words_are_kept_whole_where_they_can_be() -> None:
    assert fold("experiment_tracker=default, model_deployer=default", 40) == (
        "experiment_tracker=default,\nmodel_deployer=default"
    )


def test_wide_characters_count_as_two_cells() -> None:
    assert column_widths([("模型", "x")], 80) == [4, 1]


@given(TEXT, st.integers(2, 30))
def test_folding_loses_nothing_but_blanks_and_fits(text: str, width: int) -> None:
    lines = fold(text, width).split("\n")
    assert all(cell_len(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


@given(st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=5), st.integers(20, 120))
def test_a_row_never_gets_wider_than_the_room(rows: list[tuple[str, str, str]], room: int) -> None:
    widths = column_widths(rows, room)
    assert widths is None or sum(widths) + 2 * GAP <= room
