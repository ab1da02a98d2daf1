"""Which value of a metric is the better one."""

from __future__ import annotations

import pytest

from mlxkit.errors import UsageError
from mlxkit.runs.direction import best_of, direction_of


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("loss", "lower"), ("val_loss", "lower"), ("test-RMSE", "lower"), ("trainError", "lower"), ("eval/mse", "lower"),
        ("cross_entropy", "lower"), ("logLoss", "lower"), ("val.perplexity", "lower"), ("accuracy", "higher"),
        ("val_accuracy_score", "higher"), ("f1_macro", "higher"), ("roc_auc", "higher"), ("r2", "higher"),
        ("neg_mean_squared_error", "higher"), ("error_recall", "higher"), ("accuracy_loss", "lower"),
        ("pinball", None), ("lossless", None), ("glossy", None), ("n_rows", None), ("", None), ("Überschuss", None),
    ],
)  # fmt: skip
def test_the_words_of_a_name_say_it(name: str, wanted: str | None) -> None:
    assert direction_of(name) == wanted


def test_what_is_said_wins_over_the_name() -> None:
    assert (
        direction_of("loss", higher=["loss"]) == "higher"
        and direction_of("pinball", lower=["pinball"]) == "lower"
    )
    with pytest.raises(UsageError, match="both ways"):
        direction_of("loss", lower=["loss"], higher=["loss"])


def test_there_is_a_best_only_where_there_is_a_choice() -> None:
    nan = float("nan")
    assert best_of([3.0, 1.0, 2.0], "lower") == (1,)
    assert best_of([3.0, None, 3.0, 1.0], "higher") == (0, 2)
    assert best_of([nan, 1.0, 2.0], "lower") == (1,)
    assert best_of([float("inf"), 1.0], "higher") == (0,)
    for values, direction in (
        ([1.0, 1.0], "lower"),
        ([1.0, nan], "lower"),
        ([1.0, 2.0], None),
        ([], "higher"),
    ):
        assert best_of(values, direction) == ()  # type: ignore[arg-type]
