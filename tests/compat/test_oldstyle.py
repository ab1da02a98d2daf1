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


@pytest.mark.usefixtures("session")
def test_configure_changes_the_pipeline_with_its_steps_and_no_other() -> None:
    from zenml.pipelines import pipeline
    from zenml.steps import step

    @step
    def one() -> int:
        return 1

    @pipeline
    def alone(first: Any) -> None:
        first()

    made, other = alone(first=one()), alone(first=one())
    assert made.run().steps["one"].status == "completed"
    assert made.configure(enable_cache=False) is made
    assert made.run().steps["one"].status == "completed"
    assert other.run().steps["one"].status == "cached"
    Path("options.yaml").write_text("enable_cache: false\n")
    assert other.with_config("options.yaml") is other
    assert other.run(run_name="told-once").name == "told-once"
    again = other.run()
    assert (again.steps["one"].status, again.name != "told-once") == ("completed", True)
    assert alone(first=one()).run().steps["one"].status == "cached"


@pytest.mark.usefixtures("session")
def test_configure_changes_a_step_that_was_made_and_not_what_it_was_made_of() -> None:
    from zenml.pipelines import pipeline
    from zenml.steps import step

    @step
    def one(n: int = 1) -> int:
        return n

    @pipeline
    def alone(first: Any) -> None:
        first()

    made = one(n=5)
    alone(first=made).run()
    assert made.configure(enable_cache=False).configure(name="uno") is made
    assert (made.name, made.enable_cache, made.parameters) == ("uno", False, {"n": 5})
    for _ in range(2):
        found = alone(first=made).run().steps["uno"]
        assert (found.status, found.output.load()) == ("completed", 5)
    assert (one.name, one.enable_cache) == ("one", None)
    assert one.configure(enable_cache=False) is not one
    assert one.enable_cache is None
    assert alone(first=one(n=5)).run().steps["one"].status == "cached"
