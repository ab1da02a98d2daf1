"""Conditions of a promotion: `val_rmse <= 0.72`, `val_rmse < @production.val_rmse`; a grammar of three words and no eval."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable

from ..dataclass import dataclass
from ..errors import UsageError
from ..records import Record
from .records import shown

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?(?![\w./-])")
_NAME = re.compile(r"[\w./-]+")
_QUOTED = re.compile(r'"([^"]+)"')
_ALIAS = re.compile(r"@([\w-]+)\.")
_NO_NUMBERS = ("inf", "infinity", "nan")
_HINT = "'val_rmse <= 0.72', 'val_rmse < @production.val_rmse'; a name with blanks stands in \"quotes\""


@dataclass(frozen=True)
class Metric:
    """A metric of the version that is judged, or of the one that holds `alias`."""

    name: str
    alias: str | None = None


Operand = float | Metric


@dataclass(frozen=True)
class Condition:
    """One comparison, as it was written and taken apart."""

    text: str
    left: Operand
    sign: str
    right: Operand

    def metrics(self) -> list[Metric]:
        """Return the metrics it needs."""
        return [item for item in (self.left, self.right) if isinstance(item, Metric)]

    def judge(self, value_of: Callable[[Metric], float]) -> EvidenceRow:
        """Compare the two values; what is not a number holds in no comparison, `!=` included."""
        left, right = (
            value_of(item) if isinstance(item, Metric) else item for item in (self.left, self.right)
        )
        holds = not (math.isnan(left) or math.isnan(right)) and _OPERATORS[self.sign](left, right)
        return EvidenceRow(self.text, shown(left), shown(right), holds)


@dataclass(frozen=True)
class EvidenceRow(Record):
    """One condition with the values that were compared; a value that JSON has no number for is text."""

    expression: str
    left: float | str
    right: float | str
    holds: bool


def parse_condition(text: str) -> Condition:
    """Take a condition apart; raises UsageError that points at the place."""
    reader = _Reader(text)
    left = reader.operand()
    sign = reader.operator()
    right = reader.operand()
    reader.end()
    condition = Condition(" ".join(text.split()), left, sign, right)
    if not condition.metrics():
        raise UsageError(f"condition {text!r} compares two numbers: one side has to be a metric", hint=_HINT)
    return condition


class _Reader:
    """Reads a condition from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def operand(self) -> Operand:
        self._skip()
        if number := _NUMBER.match(self._text, self._at):
            value = float(number[0])
            if math.isinf(value):
                raise self._wrong("a number that is too large")
            self._at = number.end()
            return value
        if not self._text.startswith("@", self._at):
            return Metric(self._name())
        alias = _ALIAS.match(self._text, self._at)
        if alias is None:
            raise self._wrong("expected @ALIAS.METRIC")
        self._at = alias.end()
        return Metric(self._name(), alias[1])

    def operator(self) -> str:
        self._skip()
        for sign in _OPERATORS:
            if self._text.startswith(sign, self._at):
                self._at += len(sign)
                return sign
        raise self._wrong(f"expected one of {' '.join(sorted(_OPERATORS))}")

    def end(self) -> None:
        self._skip()
        if self._at < len(self._text):
            raise self._wrong("expected nothing more; give each condition an --if of its own")

    def _name(self) -> str:
        if quoted := _QUOTED.match(self._text, self._at):
            self._at = quoted.end()
            return quoted[1]
        found = _NAME.match(self._text, self._at)
        if found is None:
            raise self._wrong("expected a number or a metric")
        looks_like_one = found[0].startswith("-") or found[0].replace(".", "").isnumeric()
        if looks_like_one or found[0].lower() in _NO_NUMBERS:
            raise self._wrong(
                f"{found[0]} is no number to compare with; a metric of that name stands in quotes"
            )
        self._at = found.end()
        return found[0]

    def _skip(self) -> None:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1

    def _wrong(self, what: str) -> UsageError:
        shown_text = "".join(char if char.isprintable() else " " for char in self._text)
        return UsageError(f"condition: {what}\n  {shown_text}\n  {' ' * self._at}^", hint=_HINT)
