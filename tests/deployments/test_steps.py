"""Serving from inside a pipeline: the model of a step, a version of the registry, and no model at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlxkit.client import Client
from tests.conftest import Result

pytestmark = pytest.mark.integration
Mlx = Callable[..., Result]

FILE = """
import mlflow
from mlxkit import pipeline, step
from mlxkit.mlflow import (
    log_model, mlflow_model_deployer_step, mlflow_model_registry_deployer_step, mlflow_register_model_step
)


class Times(mlflow.pyfunc.PythonModel):
    def __init__(self, factor):
        self.factor = factor

    def predict(self, context, model_input: list[float], params=None):
        return [value * self.factor for value in model_input]


@step(experiment_tracker=True)
def train(factor: float) -> float:
    log_model(Times(factor), pip_requirements=[])
    return factor


@step
def ask(server) -> list:
    return server.predict([2.0])


@pipeline
def serves(factor: float = 2.0, good: bool = True):
    server = mlflow_model_deployer_step(train(factor), deploy_decision=good, name="live", registered_model_name="m")
    if good:
        ask(server)


@pipeline
def from_the_registry(stage: str = "production"):
    ask(mlflow_model_registry_deployer_step("m", registry_model_stage=stage, name="live"))


@pipeline
def without_a_choice():
    mlflow_model_registry_deployer_step("m")
"""


@pytest.fixture
def project(home: Path, mlx: Mlx) -> Iterator[Path]:
    assert mlx("init").code == 0
    Path("flow.py").write_text(FILE)
    yield Path.cwd()
    if "live" in mlx("deployment", "list", "-o", "name").stdout:
        assert mlx("deployment", "delete", "live", "--yes").code == 0


def answer() -> Any:
    return Client().get_run().get_step("ask").output.load()


def test_the_model_of_a_step_is_registered_and_served_and_replaced_by_the_next(
    project: Path, mlx: Mlx
) -> None:
    assert mlx("run", "flow.py:serves").code == 0
    assert answer() == [4.0]
    first = json.loads(mlx("deployment", "describe", "live", "-o", "json").stdout)
    (run,) = json.loads(mlx("runs", "list", "-o", "json").stdout)
    assert (first["model"], first["version"], first["pipeline"]) == ("m", 1, "serves")
    assert (first["run"], first["step"]) == (run["id"], "mlflow_model_deployer_step")

    # ZenML gave the old service back here, and then stopped it.
    assert mlx("run", "flow.py:serves", "--factor", "5.0").code == 0
    assert answer() == [10.0]
    second = json.loads(mlx("deployment", "describe", "live", "-o", "json").stdout)
    assert (second["version"], second["state"], second["url"]) == (2, "running", first["url"])

    # Not good enough: what is served stays, whatever was trained.
    assert mlx("run", "flow.py:serves", "--factor", "9.0", "--good", "false").code == 0
    assert json.loads(mlx("deployment", "describe", "live", "-o", "json").stdout)["version"] == 2

    assert mlx("model", "promote", "m:1", "--to", "production").code == 0
    assert mlx("run", "flow.py:from_the_registry").code == 0
    assert answer() == [4.0]
    served = Client().get_run().get_step("mlflow_model_registry_deployer_step")
    assert served.run_metadata["deployment"] == "live"
    assert str(served.run_metadata["prediction_url"]).endswith("/invocations")


def test_nothing_is_served_where_nothing_is_good_enough(project: Path, mlx: Mlx) -> None:
    assert mlx("run", "flow.py:serves", "--good", "false").code == 0
    assert Client().get_run().get_step("mlflow_model_deployer_step").output.load() is None
    assert mlx("deployment", "list", "-o", "name").stdout == ""


def test_what_cannot_be_served_fails_the_step_in_words(project: Path, mlx: Mlx) -> None:
    unknown = mlx("run", "flow.py:from_the_registry")
    assert unknown.code == 6 and "no model" in unknown.stderr and "Traceback" not in unknown.stderr
    neither = mlx("run", "flow.py:without_a_choice")
    assert neither.code == 6 and "registry_model_version or registry_model_stage" in neither.stderr


def test_another_tracker_than_the_stacks_keeps_its_own_models(project: Path, mlx: Mlx) -> None:
    assert (
        mlx(
            "tracker", "register", "other", "--flavor=mlflow", "--tracking_uri=sqlite:///other/mlflow.db"
        ).code
        == 0
    )
    Path("other").mkdir()
    ran = mlx("run", "flow.py:serves", "--tracker", "other")
    assert ran.code == 0, ran.stderr
    assert answer() == [4.0]
    assert mlx("model", "list", "-o", "name").stdout == ""  # nothing in the stack's own registry
    assert mlx("stack", "register", "o", "-e", "other").code == 0
    assert mlx("deployment", "update", "live").code == 0  # still asks the registry that it came from
    assert mlx("stack", "set", "o").code == 0
    assert mlx("model", "list", "-o", "name").stdout == "m\n"
