"""What a model expects, as its `MLmodel` says it, and a body to try it with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlxkit.deployments.signature import Signature, read_signature


def model(folder: Path, inputs: Any, *, example: str | None = None) -> Signature:
    lines = [f"signature:\n  inputs: '{json.dumps(inputs)}'\n" if inputs is not None else "flavors: {}\n"]
    if example is not None:
        lines.append("saved_input_example_info:\n  serving_input_path: serving_input_example.json\n")
        (folder / "serving_input_example.json").write_text(example)
    (folder / "MLmodel").write_text("".join(lines))
    return read_signature(folder)


COLUMNS = [
    {"type": "double", "name": "a", "required": True},
    {"type": "string", "name": "b", "required": True},
    {"type": "long", "name": "c", "required": False},
]


def test_columns_are_named_with_their_types(tmp_path: Path) -> None:
    found = model(tmp_path, COLUMNS)
    assert found.names == ["a", "b", "c"]
    assert found.shown == "a (double), b (string), c (long) optional"


def test_a_sample_has_one_row_of_what_is_required(tmp_path: Path) -> None:
    sample = model(tmp_path, COLUMNS).sample()
    assert json.loads(sample or "") == {"dataframe_split": {"columns": ["a", "b"], "data": [[0.0, "text"]]}}


def test_a_tensor_is_sampled_by_its_shape(tmp_path: Path) -> None:
    found = model(tmp_path, [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 2]}}])
    assert found.shown == "tensor of float64 [-1, 2]"
    assert found.names == []
    assert json.loads(found.sample() or "") == {"inputs": [[0.0, 0.0]]}


def test_named_tensors_are_sampled_by_name(tmp_path: Path) -> None:
    spec = {"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}
    found = model(tmp_path, [{**spec, "name": "x"}, {**spec, "name": "y"}])
    assert json.loads(found.sample() or "") == {"inputs": {"x": [0], "y": [0]}}


@pytest.mark.parametrize(
    "inputs",
    [None, [], [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 224, 224, 3]}}]],
)
def test_too_little_or_too_much_makes_no_sample(tmp_path: Path, inputs: Any) -> None:
    assert model(tmp_path, inputs).sample() is None


def test_the_example_that_was_logged_is_taken_on_one_line(tmp_path: Path) -> None:
    found = model(tmp_path, COLUMNS, example='{\n "inputs": [7]\n}')
    assert found.sample() == '{"inputs": [7]}'


@pytest.mark.parametrize("example", ["{", "[1]", json.dumps({"inputs": [1.5] * 1000})])
def test_an_example_that_is_broken_or_long_gives_way_to_the_signature(tmp_path: Path, example: str) -> None:
    assert "dataframe_split" in (model(tmp_path, COLUMNS, example=example).sample() or "")


@pytest.mark.parametrize(
    "text",
    ["", "- 1\n", "signature: 5\n", "signature:\n  inputs: '[5]'\n", "signature:\n  inputs: '{'\n", "\x00"],
)
def test_an_mlmodel_that_says_nothing_expects_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "MLmodel").write_text(text)
    assert read_signature(tmp_path) == Signature()


def test_many_columns_are_cut_short(tmp_path: Path) -> None:
    found = model(tmp_path, [{"type": "double", "name": f"x{n}"} for n in range(300)])
    assert found.shown.endswith("x11 (double) and 288 more")
    assert found.sample() is None
