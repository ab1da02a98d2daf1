"""One key from many parts."""

from __future__ import annotations

from itertools import combinations

from mlxkit.pipelines.fingerprint import cache_key


def test_the_order_of_parts_does_not_matter() -> None:
    assert cache_key({"a": "1", "b": "2"}) == cache_key({"b": "2", "a": "1"})


def test_no_two_sets_of_parts_are_confused() -> None:
    sets = [{}, {"a": ""}, {"a": "1"}, {"a1": ""}, {"": "a1"}, {"a": "1", "b": "2"}, {"a": "1b2"}, {"a": "1b", "b": "2"}, {"a": "2", "b": "1"}, {"a": "1:b"}]  # fmt: skip
    assert all(cache_key(one) != cache_key(other) for one, other in combinations(sets, 2))


def test_a_key_is_stable() -> None:
    assert (
        cache_key({"step": "abc", "parameter lr": "é"})
        == "f4fd366dae3ce3f51e9d22afdcf6042bc2649dda9c3780a611d56c2524164ec9"
    )
