"""YAML text to plain data and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxkit.config.yamltext import dump_flow, dump_yaml, load_yaml, parse_yaml
from mlxkit.errors import ConfigError

TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=20)
DATA = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | TEXT
    | st.sampled_from(["<<s.k>>", "a\nb", "\ttab", "yes"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)


@given(DATA)
def test_what_is_written_is_read_back(data: object) -> None:
    assert load_yaml(dump_yaml(data), what="t") == data
    assert load_yaml(f"x: {dump_flow(data)}", what="t") == {"x": data}


def test_keys_are_the_text_that_was_written() -> None:
    assert load_yaml("{1: a, yes: b, 0x10: c, ~: d, 1.50: e}", what="t") == {
        "1": "a", "yes": "b", "0x10": "c", "~": "d", "1.50": "e",
    }  # fmt: skip


def test_what_looks_like_a_date_stays_text() -> None:
    assert load_yaml("[2024-01-01, 2024-99-99, 12:30]", what="t") == ["2024-01-01", "2024-99-99", 750]


def test_one_line_stays_one_line_however_long() -> None:
    assert "\n" not in dump_flow({"a": "word " * 500, "b": "two\nlines"})


def test_every_value_knows_its_line() -> None:
    lines = parse_yaml("a:\n  b: 1\n  c:\n    - x\n    - y\n", what="t").lines
    assert (lines["a",], lines["a", "b"], lines["a", "c", 1]) == (1, 2, 5)


@pytest.mark.parametrize("text", ["x: !!int word", "x: !!float word", "x: !!bool word"])
def test_a_tag_that_does_not_fit_is_said(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^run.yaml:1: x: not a valid (int|float|bool)$"):
        load_yaml(text, what="run.yaml")


@pytest.mark.parametrize(
    "text", ["!!python/name:os.system", "!!binary aGk=", "!!set {a}", "!custom x", "!!timestamp 2024-01-01"]
)
def test_only_plain_data_is_read(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^t:1: x: the tag .* is not used here$"):
        load_yaml(f"x: {text}", what="t")


def test_a_merge_gives_way_to_what_is_written() -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*a, *b], z: 3}\n"
    assert load_yaml(text, what="t")["c"] == {"x": 1, "y": 1, "z": 3}


def test_a_merge_of_anything_else_is_refused() -> None:
    with pytest.raises(ConfigError, match="merges maps only"):
        load_yaml("a: {<<: 1}", what="t")
