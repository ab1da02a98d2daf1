"""The grammar of conditions: what it takes, what it refuses and where, and what holds."""

from __future__ import annotations

import pytest

from mlxkit.errors import UsageError
from mlxkit.models.evidence import Condition, Metric, parse_condition


@pytest.mark.parametrize(
    ("text", "left", "sign", "right"),
    [
        ("val_rmse <= 0.72", Metric("val_rmse"), "<=", 0.72),
        ("val_rmse<=0.72", Metric("val_rmse"), "<=", 0.72),
        ("  loss  <  1e-3 ", Metric("loss"), "<", 0.001),
        ("loss<-1", Metric("loss"), "<", -1.0),
        ("+.5 > acc", 0.5, ">", Metric("acc")),
        ("2. != acc", 2.0, "!=", Metric("acc")),
        ("val/loss-1.x == 1E+2", Metric("val/loss-1.x"), "==", 100.0),
        ("1e-3-x >= 0", Metric("1e-3-x"), ">=", 0.0),
        ("3d_iou >= 0.5", Metric("3d_iou"), ">=", 0.5),
        ("größe > 1", Metric("größe"), ">", 1.0),
        ("a < @production.a", Metric("a"), "<", Metric("a", "production")),
        ("a < @my-alias_2.b.c", Metric("a"), "<", Metric("b.c", "my-alias_2")),
        ('"val loss" < @production."val loss"', Metric("val loss"), "<", Metric("val loss", "production")),
        ('"0.5" < 1', Metric("0.5"), "<", 1.0),
        ('"nan" < "inf"', Metric("nan"), "<", Metric("inf")),
        ('"@production.a" < 1', Metric("@production.a"), "<", 1.0),
    ],
)
def test_a_condition_is_taken_apart(text: str, left: object, sign: str, right: object) -> None:
    found = parse_condition(text)
    assert (found.left, found.sign, found.right) == (left, sign, right)
    assert found.text == " ".join(text.split())


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("", 0, "expected a number or a metric"),
        ("val_rmse <= ٠.٥", 12, "is no number to compare with"),
        ("val_rmse <= 1.٥", 12, "is no number to compare with"),
        ("val_rmse", 8, "expected one of"),
        ("val_rmse = 0.7", 9, "expected one of"),
        ("val_rmse =< 0.7", 9, "expected one of"),
        ("val_rmse <= ", 12, "expected a number or a metric"),
        ("val rmse <= 0.7", 4, "expected one of"),
        ("a < 1 and b < 2", 6, "an --if of its own"),
        ("0 < a < 1", 6, "an --if of its own"),
        ("a < 0.72)", 8, "nothing more"),
        ("a < 1,5", 5, "nothing more"),
        ("__import__('os') < 1", 10, "expected one of"),
        ("a < inf", 4, "no number to compare with"),
        ("a < -inf", 4, "no number to compare with"),
        ("NaN < a", 0, "no number to compare with"),
        ("a < -b", 4, "no number to compare with"),
        ("a < 1e999", 4, "too large"),
        ("a < @production", 4, "expected @ALIAS.METRIC"),
        ("a < @.b", 4, "expected @ALIAS.METRIC"),
        ("a < @production.", 16, "expected a number or a metric"),
        ("a < @ production.b", 4, "expected @ALIAS.METRIC"),
        ('a < "b', 4, "expected a number or a metric"),
        ('a < ""', 4, "expected a number or a metric"),
        ("a\n<\x1b[31m 1", 3, "expected a number or a metric"),
    ],
)
def test_what_is_no_condition_is_refused_at_its_place(text: str, column: int, words: str) -> None:
    with pytest.raises(UsageError) as told:
        parse_condition(text)
    message, line, caret = told.value.message.split("\n")
    assert words in message
    assert line[2:] == "".join(char if char.isprintable() else " " for char in text)
    assert caret == "  " + " " * column + "^"


def test_two_numbers_are_no_condition() -> None:
    with pytest.raises(UsageError, match="compares two numbers"):
        parse_condition("1 < 2")


def holds(text: str, **values: float) -> bool:
    def value_of(metric: Metric) -> float:
        return values[f"{metric.alias}_{metric.name}" if metric.alias else metric.name]

    condition: Condition = parse_condition(text)
    return condition.judge(value_of).holds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a < 1", False), ("a <= 1", True), ("a == 1", True), ("a != 1", False), ("a > 1", False), ("a >= 1", True),
        ("a < 1.0000001", True), ("0.5 < a", True), ("a < @p.a", True), ("@p.a < a", False),
    ],
)  # fmt: skip
def test_what_holds(text: str, expected: bool) -> None:
    assert holds(text, a=1.0, p_a=2.0) is expected


@pytest.mark.parametrize("sign", ["<", "<=", ">", ">=", "==", "!="])
def test_what_is_not_a_number_never_holds(sign: str) -> None:
    nan = float("nan")
    assert not holds(f"a {sign} 1", a=nan)
    assert not holds(f"1 {sign} a", a=nan)
    assert not holds(f"a {sign} b", a=nan, b=nan)


def test_an_infinite_metric_is_compared_and_shown_as_text() -> None:
    row = parse_condition("a < 1").judge(lambda _: float("inf"))
    assert (row.left, row.right, row.holds) == ("inf", 1.0, False)
    assert parse_condition("a > 1").judge(lambda _: float("inf")).holds
