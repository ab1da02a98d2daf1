from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from mlxkit.pipelines.handles import Handle


class Known:
    name = "step"

    def __init__(self, value: Any) -> None:
        self.value = value

    def load(self, output: str) -> Any:
        return self.value

    def record(self, output: str) -> Any:
        raise AssertionError("nothing here needs the artifact")


def handle(value: Any) -> Any:
    return Handle(Known(value), "output")


def test_a_handle_prints_formats_and_compares_as_its_value() -> None:
    accuracy = handle(0.95)
    assert f"{accuracy}" == "0.95"
    assert f"{accuracy:.3f}" == "0.950"
    assert str(accuracy) == "0.95"
    assert accuracy > 0.9
    assert accuracy == 0.95
    assert not accuracy < 0.9


def test_a_handle_calculates_on_both_sides() -> None:
    three = handle(3)
    assert three + 1 == 4
    assert 10 - three == 7
    assert three * handle(2) == 6
    assert 2**three == 8
    assert -three == -3
    assert abs(handle(-2)) == 2
    assert round(handle(2.567), 1) == 2.6
    assert int(handle(2.9)) == 2
    assert [10, 20, 30, 40][three] == 40


def test_a_handle_is_true_iterates_and_indexes_as_its_value() -> None:
    rows = handle([1, 2, 3])
    assert rows
    assert not handle([])
    assert list(rows) == [1, 2, 3]
    assert len(rows) == 3
    assert 2 in rows
    assert rows[0] == 1
    assert handle({"a": 1})["a"] == 1
    assert handle("text").upper() == "TEXT"
    assert np.asarray(handle(np.arange(3))).sum() == 3


def test_a_handle_cannot_be_pickled_or_changed() -> None:
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(handle(1))
    with pytest.raises(AttributeError, match="cannot be changed"):
        handle([1]).x = 2
