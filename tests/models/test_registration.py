"""Registering the model of a run: found by whatever names the run, from a cached step too, once, and with its origin."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlxkit.client import Client
from mlxkit.errors import NotFoundError, UsageError
from mlxkit.models.registration import check_version_tag, checked_tags
from tests.conftest import Result

pytestmark = pytest.mark.integration
Mlx = Callable[..., Result]

FILE = """
import mlflow
from mlxkit import pipeline, step
from mlxkit.mlflow import mlflow_register_model_step


class Times(mlflow.pyfunc.PythonModel):
    def __init__(self, factor):
        self.factor = factor

    def predict(self, context, model_input: list[float], params=None):
        return [value * self.factor for value in model_input]


def log(factor, name="model", **options):
    return mlflow.pyfunc.log_model(name=name, python_model=Times(factor), pip_requirements=[], **options)


@step
def load(size: int) -> list:
    return [float(number) for number in range(size)]


@step(experiment_tracker=True)
def train(rows: list, factor: float) -> float:
    log(factor)
    mlflow.log_metric("rmse", 1 / factor)
    return factor


@step(experiment_tracker=True)
def side(rows: list) -> float:
    log(100.0, name="side")
    return 100.0


@step(experiment_tracker=True)
def again(rows: list) -> float:
    log(7.0)
    return 7.0


@step(experiment_tracker=True, settings={"experiment_tracker": {"nested": True}})
def nested(rows: list) -> float:
    log(9.0)
    return 9.0


@step(experiment_tracker=True)
def direct(rows: list) -> float:
    log(11.0, registered_model_name="direct")
    return 11.0


@step
def untracked(rows: list) -> float:
    return 1.0


@pipeline
def one(factor: float = 2.0):
    train(load(3), factor)


@pipeline
def several(factor: float = 2.0):
    rows = load(3)
    train(rows, factor)
    side(rows)


@pipeline
def two_alike():
    rows = load(3)
    train(rows, 2.0)
    again(rows)


@pipeline
def inside():
    nested(load(3))


@pipeline
def registers_itself():
    direct(load(3))


@pipeline
def plain():
    untracked([1.0])


@pipeline
def by_a_step(factor: float = 2.0):
    model = train(load(3), factor)
    made = mlflow_register_model_step(
        model=model, name="stepped", version="1.0.0", description="made by a step", metadata={"team": "blue"}
    )
    print(f"made {made.reference}")


@pipeline
def of_nothing():
    mlflow_register_model_step(model=untracked([1.0]), name="nothing")
"""


@pytest.fixture
def project(home: Path, mlx: Mlx) -> Iterator[Path]:
    assert mlx("init").code == 0
    Path("flow.py").write_text(FILE)
    yield Path.cwd()


def ran(mlx: Mlx, pipeline: str, *options: str, code: int = 0) -> dict[str, Any]:
    """Run one of the pipelines and return what history says of the run."""
    done = mlx("run", f"flow.py:{pipeline}", *options)
    assert done.code == code, done.stderr
    described = mlx("runs", "describe", "-o", "json")
    return dict(json.loads(described.stdout))


def registered(mlx: Mlx, name: str, *options: str) -> dict[str, Any]:
    done = mlx("model", "register", name, *options)
    assert done.code == 0, done.stderr
    return dict(json.loads(mlx("model", "describe", f"{name}:latest", "-o", "json").stdout))


def test_a_run_is_found_by_every_name_it_has_and_its_model_registered_once(project: Path, mlx: Mlx) -> None:
    run = ran(mlx, "one")
    (on_mlflow,) = run["tracker_runs"]
    made = registered(mlx, "m", "--run", "latest", "--version-tag", "1.0.0", "--tag", "team=blue")
    assert (made["version"], made["version_tag"], made["tags"]) == (1, "1.0.0", {"team": "blue"})
    for name in (run["id"], run["name"], run["id"][:12], on_mlflow):
        again = registered(mlx, "m", "--run", name)
        assert again["version"] == 1, name
    assert "already" in mlx("model", "register", "m", "--run", "latest").stderr


def test_a_version_says_where_it_came_from(project: Path, mlx: Mlx) -> None:
    for words in (["init", "-q"], ["add", "flow.py"], ["commit", "-qm", "first"]):
        subprocess.run(
            ["git", "-c", "user.name=A", "-c", "user.email=a@example.com", *words], check=True, cwd=project
        )
    run = ran(mlx, "one")
    made = registered(mlx, "m", "--run", "latest")
    train = next(step for step in run["steps"] if step["name"] == "train")
    assert made["run"] == run["id"] and made["step"] == "train" and made["stack"] == run["stack"]
    assert made["pipeline"] == "one" and made["mlflow_run_id"] == run["tracker_runs"][0]
    assert made["commit"] == run["code"]["commit"] and len(made["commit"]) == 40
    assert made["inputs"] == {"rows": train["inputs"]["rows"]["digest"]}
    assert made["metrics"] == {"rmse": 0.5} and made["params"] == {"factor": "2.0"}


def test_the_model_of_a_cached_step_is_that_of_its_origin(project: Path, mlx: Mlx) -> None:
    first = ran(mlx, "one")
    second = ran(mlx, "one")
    assert [step["status"] for step in second["steps"]] == ["cached", "cached"]
    made = registered(mlx, "m", "--run", second["id"])
    assert made["run"] == second["id"] and made["mlflow_run_id"] == first["tracker_runs"][0]
    assert made["metrics"]["rmse"] == 0.5
    assert registered(mlx, "m", "--run", first["id"])["version"] == made["version"]


def test_of_several_models_one_is_named(project: Path, mlx: Mlx) -> None:
    ran(mlx, "several")
    assert registered(mlx, "m", "--run", "latest")["step"] == "train"  # the usual name wins
    assert registered(mlx, "s", "--run", "latest", "--path", "side")["step"] == "side"
    assert registered(mlx, "t", "--run", "latest", "--step", "side")["step"] == "side"
    wrong = mlx("model", "register", "m", "--run", "latest", "--path", "sied")
    assert wrong.code == 3 and "did you mean 'side'" in wrong.stderr
    wrong = mlx("model", "register", "m", "--run", "latest", "--step", "load")
    assert wrong.code == 3 and "step 'load'" in wrong.stderr and "not tracked" in wrong.stderr


def test_two_steps_that_log_alike_have_to_be_told_apart(project: Path, mlx: Mlx) -> None:
    ran(mlx, "two_alike")
    wrong = mlx("model", "register", "m", "--run", "latest")
    assert wrong.code == 2 and "train, again" in wrong.stderr and "--step" in wrong.stderr
    assert registered(mlx, "m", "--run", "latest", "--step", "again")["step"] == "again"
    assert registered(mlx, "m", "--run", "latest", "--step", "train")["version"] == 2


def test_a_model_in_a_child_run_is_found(project: Path, mlx: Mlx) -> None:
    run = ran(mlx, "inside")
    made = registered(mlx, "m", "--run", "latest")
    assert made["step"] == "nested" and made["mlflow_run_id"] in run["tracker_runs"]
    assert made["mlflow_run_id"] != run["tracker_runs"][0]  # the parent


def test_what_user_code_registers_itself_carries_its_origin_too(project: Path, mlx: Mlx) -> None:
    run = ran(mlx, "registers_itself")
    made = json.loads(mlx("model", "describe", "direct:1", "-o", "json").stdout)
    assert (made["run"], made["step"], made["pipeline"]) == (run["id"], "direct", "registers_itself")
    assert list(made["inputs"]) == ["rows"]
    lineage = json.loads(mlx("model", "lineage", "direct:1", "-o", "json").stdout)
    assert [step["step"] for step in lineage["steps"]] == ["direct", "load"]


@pytest.mark.parametrize("run", ["no-such-run", "0" * 32])
def test_an_unknown_run_is_said_to_be_unknown(project: Path, mlx: Mlx, run: str) -> None:
    ran(mlx, "plain")
    wrong = mlx("model", "register", "m", "--run", run)
    assert wrong.code == 3 and run in wrong.stderr and "neither here nor on the tracker" in wrong.stderr


def test_a_run_without_a_model_cannot_be_registered(project: Path, mlx: Mlx) -> None:
    ran(mlx, "plain")
    wrong = mlx("model", "register", "m", "--run", "latest")
    assert wrong.code == 3 and "no model to register" in wrong.stderr and "log_model" in wrong.stderr
    assert mlx("model", "list", "-o", "name").stdout == ""


def test_a_step_registers_the_model_that_it_is_given(project: Path, mlx: Mlx) -> None:
    run = ran(mlx, "by_a_step")
    made = json.loads(mlx("model", "describe", "stepped:1.0.0", "-o", "json").stdout)
    assert (made["version"], made["description"], made["tags"]) == (1, "made by a step", {"team": "blue"})
    assert (made["run"], made["step"]) == (run["id"], "train")
    output = Client().get_run().get_step("mlflow_register_model_step").output.load()
    assert (output.reference, output.version_tag) == ("stepped:1", "1.0.0")
    ran(mlx, "by_a_step")  # training is cached, the registering step is not: the same version
    assert len(json.loads(mlx("model", "versions", "stepped", "-o", "json").stdout)) == 1
    ran(mlx, "by_a_step", "--factor", "4.0")
    versions = json.loads(mlx("model", "versions", "stepped", "-o", "json").stdout)
    assert [item["version"] for item in versions] == [2, 1]
    assert json.loads(mlx("model", "describe", "stepped:1.0.0", "-o", "json").stdout)["version"] == 2


def test_a_step_that_is_given_no_logged_model_fails_and_says_why(project: Path, mlx: Mlx) -> None:
    done = mlx("run", "flow.py:of_nothing")
    assert done.code == 6 and "no model to register" in done.stderr and "Traceback" not in done.stderr


def test_a_plain_script_logs_a_model_that_can_be_registered(project: Path, mlx: Mlx) -> None:
    lines = FILE.split("@step", 1)[0].replace("from mlxkit import pipeline, step\n", "")
    Path("script.py").write_text(
        lines.replace("from mlxkit.mlflow import mlflow_register_model_step\n", "")
        + 'with mlflow.start_run():\n    log(3.0)\n    mlflow.log_metric("rmse", 0.3)\n'
    )
    done = mlx("run", "script.py")
    assert done.code == 0, done.stderr
    assert registered(mlx, "scripted", "--run", "latest")["metrics"] == {"rmse": 0.3}


@pytest.mark.parametrize("label", ["7", "v7", "latest", "", "1 0", "a:b", "a@b", "a/b"])
def test_a_version_tag_that_would_be_misread_is_refused(label: str) -> None:
    with pytest.raises(UsageError, match="version tag"):
        check_version_tag(label)


@pytest.mark.parametrize("label", ["1.0.0", "2026-11", "rc1", None])
def test_a_version_tag_may_be_any_word(label: str | None) -> None:
    check_version_tag(label)


def test_our_own_tags_are_not_the_users_to_set() -> None:
    with pytest.raises(UsageError, match="written by mlx alone"):
        checked_tags({"mlx.run_id": "x"})
    assert checked_tags({"depth": 3}) == {"depth": "3"}


def test_registering_by_the_client_is_the_same(project: Path, mlx: Mlx) -> None:
    ran(mlx, "one")
    made = Client().models.register("m", "latest", version_tag="1.0.0")
    assert made.is_new and made.version.reference == "m:1"
    assert not Client().models.register("m", "latest").is_new
    with pytest.raises(NotFoundError):
        Client().models.get("m:2")
    assert not (project / "mlruns").exists() and not (project / "mlflow.db").exists()
