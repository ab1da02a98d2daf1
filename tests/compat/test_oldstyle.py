"""ZenML's first way to write pipelines: steps are made outside, handed to the pipeline, and it is run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

OLD = """
from zenml.pipelines import pipeline
from zenml.steps import BaseParameters, Output, step

class Parameters(BaseParameters):
    factor: int = 2

@step
def load() -> Output(low=int, high=int):
    return 1, 5

@step
def train(low: int, high: int, params: Parameters) -> int:
    return (low + high) * params.factor

@step(enable_cache=False)
def report(score: int) -> str:
    return f"score {score}"

@pipeline
def training(first, trainer, last):
    low, high = first()
    last(trainer(low, high))

if __name__ == "__main__":
    instance = training(first=load(), trainer=train(params=Parameters(factor=10)), last=report())
    run = instance.run(run_name="old-one", unlisted=True)
    print(run.steps["report"].output.load())
    print(training(load(), train(), report()).run(enable_cache=False).steps["train"].output.load())
"""


def test_a_file_of_the_old_style_runs(mlx: Callable[..., Any]) -> None:
    assert mlx("init").code == 0
    Path("run.py").write_text(OLD)
    result = mlx("run", "run.py")
    assert result.code == 0, result.stderr
    assert result.stdout.splitlines() == ["score 60", "12"]
    assert "run old-one started" in result.stderr


@pytest.mark.usefixtures("session")
def test_what_the_old_style_had_and_is_not_here_is_named() -> None:
    from zenml.pipelines import pipeline  # type: ignore[import-not-found]
    from zenml.steps import step

    @step
    def one() -> int:
        return 1

    @step
    def calls() -> int:
        return one() + 1  # inside a step it is the function

    @pipeline
    def both(first: Any) -> None:
        first()

    made = both(first=calls())
    assert made.run().steps["calls"].output.load() == 2
    with pytest.raises(
        AttributeError, match=r"PipelineWithSteps\.with_runtime_configuration is not supported"
    ):
        made.with_runtime_configuration()
