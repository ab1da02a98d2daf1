"""A hook runs in the context of the step that it follows, and can add to what is known of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlxkit import Client, get_step_context, load_artifact, log_metadata, pipeline, save_artifact, step
from mlxkit.errors import StepFailedError, UsageError
from mlxkit.pipelines.session import RunOptions, Session, use_session


@pytest.fixture(autouse=True)
def session(mlx: Callable[..., Any]) -> Iterator[Session]:
    assert mlx("init").code == 0
    with use_session(Session(RunOptions(file=Path("run.py")))) as one:
        yield one


def test_a_hook_knows_its_step_and_adds_to_it() -> None:
    told: list[Any] = []

    @step
    def other() -> str:
        return "a plain call"

    def after() -> None:
        context = get_step_context()
        told.append((context.step_name, context.attempt, context.parameters["n"], other()))
        log_metadata({"seen": True})
        context.add_output_metadata({"rows": 3})
        save_artifact([1, 2], "by_hook")

    @step(on_success=after)
    def make(n: int) -> int:
        return n

    @pipeline
    def making() -> None:
        make(n=4)

    made = making().steps["make"]
    assert told == [("make", 1, 4, "a plain call")]
    assert made.run_metadata["seen"].value is True
    assert made.outputs["output"].run_metadata["rows"].value == 3
    assert made.outputs["by_hook"].load() == load_artifact("by_hook") == [1, 2]
    assert making().steps["make"].status == "cached"
    with pytest.raises(UsageError, match="inside a running step"):
        get_step_context()


@pytest.mark.parametrize("more", [None, "more"])
def test_a_hook_can_save_again_under_a_name_of_its_step(more: str | None) -> None:
    def after() -> None:
        save_artifact("the hook's", "side")
        if more:
            save_artifact("another", more)

    @step(on_success=after)
    def make() -> int:
        save_artifact("the step's", "side")
        return 1

    @pipeline
    def making() -> None:
        make()

    made = making().steps["make"]
    assert made.outputs["side"].load() == load_artifact("side") == "the hook's"
    assert list(made.outputs) == ["output", "side", *([more] if more else [])]
    assert made.output.load() == 1


def test_a_hook_of_a_failed_step_knows_its_last_attempt_and_loses_nothing_by_failing() -> None:
    def after(error: BaseException) -> None:
        log_metadata({"told": f"{error} at attempt {get_step_context().attempt}"})
        raise ValueError("the hook itself")

    @step(on_failure=after, retries=1)
    def fails() -> int:
        raise ValueError("so it goes")

    @pipeline
    def failing() -> None:
        fails()

    with pytest.raises(StepFailedError):
        failing()
    found = Client().get_pipeline("failing").last_run.steps["fails"]
    assert found.status == "failed"
    assert found.run_metadata["told"] == "so it goes at attempt 2"
