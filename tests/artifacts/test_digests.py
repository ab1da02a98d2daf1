"""Digests of parameters."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from mlxkit.artifacts.digests import digest_of
from mlxkit.artifacts.io import save

_DIFFERENT = [
    1, 1.0, True, "1", b"1", None, "None", 0, False, 0.0, -0.0, "", [], (), {}, set(), frozenset(), [1], (1,), {1}, [1, 2], [2, 1], ["1"],
    {"a": 1}, {"a": 1.0}, {"a": True}, {1: "a"}, {"1": "a"}, [[1], 2], [1, [2]], ["a", "b"], ["ab"], ["a,b"], float("nan"), "nan", float("inf"),
    np.float64(1), np.float32(1), np.int64(1), np.array([1]), np.array([1.0]), np.array([[1]]), pd.DataFrame({"a": [1]}), pd.Series([1], name="a"),
    int, len, {"$": "set", "v": []},
]  # fmt: skip


def test_values_that_differ_in_type_or_structure_have_different_digests() -> None:
    digests = [digest_of(value) for value in _DIFFERENT]
    twins = [
        (a, b)
        for i, a in enumerate(_DIFFERENT)
        for j, b in enumerate(_DIFFERENT)
        if i < j and digests[i] == digests[j]
    ]
    assert twins == []


def test_the_order_of_keys_matters_and_that_of_sets_does_not() -> None:
    assert digest_of({"a": 1, "b": 2}) != digest_of({"b": 2, "a": 1})
    assert digest_of([{"b": {"c": 2, "d": 3}}]) != digest_of([{"b": {"d": 3, "c": 2}}])
    assert digest_of({1: "x", "1": "y"}) != digest_of({"1": "y", 1: "x"})
    assert digest_of({"x", "y", "z", 3}) == digest_of({3, "z", "y", "x"})


def test_a_digest_is_the_same_in_another_process() -> None:
    code = "from mlxkit.artifacts.digests import digest_of; print(digest_of({'s': {'a', 'b', 'c'}, 'n': [1, 2.5, None]}))"
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(found) == 1 and len(found.pop().strip()) == 64


def test_equal_arrays_and_frames_have_equal_digests() -> None:
    assert digest_of(np.arange(3)) == digest_of(np.arange(3))
    assert digest_of({"x": np.arange(6)[::2]}) == digest_of({"x": np.array([0, 2, 4])})
    assert digest_of(pd.DataFrame({"a": [1, 2]})) == digest_of(pd.DataFrame({"a": [1, 2]}))
    assert digest_of(pd.DataFrame({"a": [1, 2]})) != digest_of(pd.DataFrame({"a": [1, 2]}, index=[1, 0]))


def test_the_digest_of_a_secret_says_nothing_about_its_value() -> None:
    from mlxkit.secrets.value import SecretValue

    assert digest_of({"token": SecretValue("hunter2-a")}) == digest_of({"token": SecretValue("hunter2-b")})


def test_a_value_that_contains_itself_has_a_digest() -> None:
    value: list[object] = [1]
    value.append(value)
    assert len(digest_of(value)) == 64


@pytest.mark.parametrize("value", [np.arange(3), {"a": np.arange(3)}, 3, "text"])
def test_taking_a_digest_stores_nothing(value: object, store: object, files_in: object) -> None:
    digest_of(value)
    assert files_in() == []  # type: ignore[operator]
    save(np.arange(3), store=store)  # type: ignore[arg-type]
    assert len(files_in()) == 1  # type: ignore[operator]
