"""What a step declares against what it returns."""
# ruff: noqa: UP007, UP045  the old spellings are what is tested

from __future__ import annotations

import collections.abc
import typing
from typing import Annotated, Any, Literal, NewType, Optional, Protocol, TypedDict, TypeVar, Union

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from sklearn.base import ClassifierMixin
from sklearn.linear_model import LogisticRegression

from mlxkit.artifacts.declared import Undeclared, accepts, check
from mlxkit.artifacts.errors import OutputTypeError
from mlxkit.errors import ExitCode

T = TypeVar("T")
Score = NewType("Score", float)


class Row(TypedDict):
    a: int


class Fits(Protocol):
    def fit(self) -> None: ...


class CheckedFrame(pd.DataFrame):
    """What schema libraries do: a typed subclass that nobody instantiates."""


class Stubborn(type):
    def __instancecheck__(cls, instance: object) -> bool:
        raise RuntimeError("not a class you can ask")


class Unaskable(metaclass=Stubborn):
    pass


@pytest.mark.parametrize(
    ("value", "declared"),
    [
        (1, int), (True, int), (True, bool), (1, float), (1.5, float), (np.float32(1), float), (np.int64(1), float), (np.int64(1), int),
        (np.bool_(True), bool), (1.0, complex), ("a", str), (None, None), (None, type(None)), (None, Optional[int]), (1, int | None),
        ("a", Union[int, str]), ([1], list[int]), (["a"], list[int]), ((1, 2), tuple[int, ...]), ({"a": 1}, dict[str, int]),
        ({"a": 1}, collections.abc.Mapping[str, int]), ({"a": 1}, Row), (np.zeros(2), np.ndarray), (np.zeros(2), npt.NDArray[np.float64]),
        ([1], npt.ArrayLike), (pd.DataFrame(), pd.DataFrame), (pd.DataFrame(), CheckedFrame), (LogisticRegression(), ClassifierMixin),
        (LogisticRegression(), Fits), (1, Annotated[int, "answer"]), (1, Annotated[Optional[int], "answer"]), ("a", Literal["a", "b"]),
        (0.5, Score), (1, T), (1, Any), (1, object), (1, "SomewhereElse"), (1, typing.ForwardRef("Later")), (1, Undeclared), (int, type),
        (int, type[int]), (len, collections.abc.Callable), (1, Unaskable), (1, typing.Hashable),
    ],
    ids=str,
)  # fmt: skip
def test_a_value_that_can_be_of_the_declared_type_is_accepted(value: object, declared: object) -> None:
    assert accepts(value, declared)


@pytest.mark.parametrize(
    ("value", "declared"),
    [
        ("1", int), (1.0, int), (1, bool), (np.float64(1), int), (1, str), (None, int), (0, None), ("a", int | None),
        ([1], tuple[int, ...]), ((1,), list[int]), ({"a": 1}, list), ("a", Literal["b"]), (1, Literal[True]), ("x", Score),
        ([1.0], np.ndarray), (pd.Series([1]), pd.DataFrame), (LogisticRegression, LogisticRegression), ([1], Row), ("1", Annotated[int, "n"]),
        pytest.param(object(), LogisticRegression, id="object"),
    ],
    ids=str,
)  # fmt: skip
def test_a_value_of_another_type_is_refused(value: object, declared: object) -> None:
    assert not accepts(value, declared)


def test_the_error_names_both_types() -> None:
    with pytest.raises(OutputTypeError, match=r"^declared int, got str$") as caught:
        check("1", int)
    assert isinstance(caught.value, TypeError)
    assert caught.value.exit_code == ExitCode.step_failed


def test_the_error_shows_a_generic_type_whole() -> None:
    with pytest.raises(OutputTypeError, match=r"declared dict\[str, int\], got numpy.ndarray"):
        check(np.zeros(1), dict[str, int])
