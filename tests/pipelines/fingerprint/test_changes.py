"""Saying what changed."""

from __future__ import annotations

import pytest

from mlxkit.pipelines.fingerprint import explain


@pytest.mark.parametrize(
    ("name", "before", "after", "sentence"),
    [
        ("step", "1", "2", "the code of the step changed"),
        ("function helpers.normalise", "1", "2", "helper `normalise` changed"),
        ("function helpers.make.<locals>.inner", "1", "2", "helper `inner` changed"),
        ("function helpers.fn", None, "2", "helper `fn` is used now"),
        ("function helpers.fn", "1", None, "helper `fn` is no longer used"),
        ("class helpers.Net", "1", "2", "class `Net` changed"),
        ("constant helpers.SCALE", "1", "2", "constant `SCALE` changed"),
        ("module pkg.helpers", "1", "2", "module `pkg.helpers` changed"),
        ("package numpy", "1.0", "2.0", "package numpy changed from 1.0 to 2.0"),
        ("package numpy", None, "2.0", "package numpy is used now"),
        ("package numpy", "1.0", None, "package numpy is no longer used"),
        ("parameter lr", "1", "2", "parameter lr changed"),
        ("parameter lr", None, "2", "parameter lr is new"),
        ("input data", "1", "2", "input data changed"),
        ("input data", "1", None, "input data is gone"),
        ("cache_salt", "1", "2", "the cache salt changed"),
        ("cache_salt", None, "2", "the cache salt changed"),
        ("output model", "auto", "Custom", "output model changed"),
    ],
)
def test_each_change_is_a_sentence(name: str, before: str | None, after: str | None, sentence: str) -> None:
    old = {} if before is None else {name: before}
    new = {} if after is None else {name: after}
    assert explain({**old, "same": "1"}, {**new, "same": "1"}) == [sentence]


def test_nothing_changed_is_no_sentence() -> None:
    assert explain({"step": "1"}, {"step": "1"}) == []


def test_the_code_of_the_step_comes_first_and_nothing_is_said_twice() -> None:
    old = {"constant a.K": "1", "constant a.K#2": "1", "step": "1", "parameter x": "1"}
    assert explain(old, dict.fromkeys(old, "2")) == [
        "the code of the step changed",
        "constant `K` changed",
        "parameter x changed",
    ]
