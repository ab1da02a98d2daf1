"""The model that runs are about: what links them, what is logged to it, and what is loaded from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest

from mlxkit import Model, get_step_context, log_metadata, pipeline, step
from mlxkit.errors import ConfigError, NotFoundError, UsageError
from mlxkit.pipelines.session import RunOptions, Session, use_session


@pytest.fixture(autouse=True)
def session(mlx: Callable[..., Any]) -> Iterator[Session]:
    assert mlx("init").code == 0
    with use_session(Session(RunOptions(file=Path("run.py")))) as one:
        yield one


@step
def train(n: int) -> Annotated[int, "weights"]:
    log_metadata({"n": n, "of": get_step_context().model.name}, infer_model=True)
    return n


@step
def predict() -> int:
    return int(get_step_context().model.load_artifact("weights")) * 10


def training(model: Model | str, n: int) -> Any:
    @pipeline(model=model, name="training")
    def body() -> None:
        train(n)

    return body()


def predicting(model: Model) -> Any:
    @pipeline(model=model, name="predicting")
    def body() -> None:
        predict()

    return body()


def test_a_run_records_its_model_and_what_was_logged_to_it() -> None:
    run = training(Model("iris", version=1, license="MIT", tags=["a"]), 3)
    assert run.run_metadata["model"].value == {
        "name": "iris",
        "version": "1",
        "license": "MIT",
        "tags": ["a"],
    }
    assert Model("iris").run_metadata["n"].value == 3
    assert Model("iris", 1).run_metadata["n"].value == 3
    assert dict(Model("iris", 2).run_metadata) == {}
    with pytest.raises(KeyError, match="model 'iris' has no metadata 'm'"):
        _ = Model("iris").run_metadata["m"]


def test_a_cached_step_gives_the_model_its_metadata_again() -> None:
    training("iris", 3)
    training("iris", 4)
    assert Model("iris").run_metadata["n"].value == 4
    run = training("iris", 3)
    assert run.steps["train"].status == "cached"
    assert Model("iris").run_metadata["n"].value == 3


def test_artifacts_come_from_the_runs_of_that_model_and_version() -> None:
    training(Model("iris", "1"), 1)
    training(Model("iris", "2"), 2)
    training(Model("wine", "1"), 5)
    assert Model("iris").load_artifact("weights") == 2
    assert Model("iris", "1").load_artifact("weights") == 1
    assert predicting(Model("iris", "1")).steps["predict"].output.load() == 10
    assert predicting(Model("wine")).steps["predict"].output.load() == 50
    with pytest.raises(NotFoundError, match="no artifact 'weights' of model 'rose'"):
        Model("rose").load_artifact("weights")


def test_a_step_that_loads_from_a_model_runs_again_after_a_new_training() -> None:
    training("iris", 1)
    assert predicting(Model("iris")).steps["predict"].output.load() == 10
    assert predicting(Model("iris")).steps["predict"].status == "cached"
    training("iris", 2)
    assert predicting(Model("iris")).steps["predict"].output.load() == 20


def test_a_steps_own_model_goes_before_that_of_the_pipeline() -> None:
    @step(model="own")
    def which() -> str:
        return get_step_context().model.name

    @pipeline(model="pipeline's")
    def asking() -> None:
        which()

    assert asking().steps["which"].output.load() == "own"


@pytest.mark.parametrize("name", ["number", "stage", "set_stage", "id"])
def test_what_belongs_to_the_registry_is_named(name: str) -> None:
    with pytest.raises(AttributeError) as caught:
        getattr(Model("iris"), name)
    assert f"Model.{name} is not supported by mlx" in str(caught.value)
    assert "iris" in caught.value.hint  # type: ignore[attr-defined]


def test_metadata_of_another_model_is_refused() -> None:
    caught: list[UsageError] = []

    @step
    def wrong() -> None:
        try:
            log_metadata({"a": 1}, model_name="wine")
        except UsageError as error:
            caught.append(error)

    @pipeline(model="iris")
    def going() -> None:
        wrong()

    going()
    assert "this run is about model 'iris', not wine" in caught[0].message


def test_a_model_in_run_yaml_counts_and_is_checked() -> None:
    @pipeline
    def bare() -> None:
        train(7)

    Path("run.yaml").write_text("model: {name: iris, version: '3'}\n")
    assert bare.with_options(config_path="run.yaml")().run_metadata["model"].value["version"] == "3"
    Path("run.yaml").write_text("model: {name: iris, licence: MIT}\n")
    with pytest.raises(ConfigError, match=r"model.licence: unknown key \(did you mean 'license'\?\)"):
        bare.with_options(config_path="run.yaml")()
