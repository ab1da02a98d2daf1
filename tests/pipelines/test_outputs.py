from __future__ import annotations

from typing import Annotated, Any

import pytest

from mlxkit.errors import StepFailedError
from mlxkit.pipelines.outputs import Output, outputs_of, split


def none() -> None: ...
def bare(): ...  # type: ignore[no-untyped-def]
def one() -> int: ...  # type: ignore[empty-body]
def named() -> Annotated[int, "rows"]: ...  # type: ignore[empty-body]
def pair() -> tuple[Annotated[int, "a"], Annotated[str, "b"]]: ...  # type: ignore[empty-body]
def unnamed() -> tuple[int, str]: ...  # type: ignore[empty-body]
def many() -> tuple[int, ...]: ...  # type: ignore[empty-body]
def unknown() -> Missing: ...  # type: ignore[name-defined] # noqa: F821
def twice() -> tuple[Annotated[int, "a"], Annotated[int, "a"]]: ...  # type: ignore[empty-body]


def test_outputs_are_read_from_the_annotation() -> None:
    assert outputs_of(bare) == (Output("output", Any),)
    assert outputs_of(one) == (Output("output", int),)
    assert outputs_of(named) == (Output("rows", int),)
    assert outputs_of(pair) == (Output("a", int), Output("b", str))
    assert outputs_of(unnamed) == (Output("output_0", int), Output("output_1", str))
    assert [item.name for item in outputs_of(many)] == ["output"]
    assert outputs_of(unknown) == (Output("output", Any),)
    assert [item.name for item in outputs_of(none)] == ["output"]


def test_two_outputs_of_one_name_are_refused() -> None:
    with pytest.raises(TypeError, match="names two outputs alike: a, a"):
        outputs_of(twice)


def test_too_few_returned_values_are_told_with_both_counts() -> None:
    with pytest.raises(StepFailedError, match="declares 2 outputs and returned 1"):
        split("s", outputs_of(pair), (1,))
    with pytest.raises(StepFailedError, match="declares 2 outputs and returned one int"):
        split("s", outputs_of(pair), 1)
