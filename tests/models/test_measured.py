"""What counts as evidence for one model, when runs hold several: logged by real pipelines, on the local store and on a server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mlxkit.errors import NotFoundError
from mlxkit.models.service import ModelService
from tests.fixtures.mlflow_server import MlflowServer
from tests.fixtures.shelf import write_team_project

pytestmark = pytest.mark.integration

_PIPELINES = """
import mlflow, warnings
from mlxkit import pipeline, step
warnings.simplefilter("ignore")

class Echo(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input

def log(name="model"):
    return mlflow.pyfunc.log_model(name=name, python_model=Echo(), pip_requirements=["mlflow"]).model_id

@step
def bad() -> int:
    mlflow.log_metric("val_rmse", 9.0, model_id=log("bad"))
    return 1

@step
def good() -> int:
    mlflow.log_metric("val_rmse", 0.1, model_id=log("good"))
    return 1

@pipeline
def one_run():
    bad(); good()

@step
def silent() -> int:
    log("silent")
    return 1

@step
def loud() -> int:
    mlflow.log_metric("val_rmse", 0.01)
    log("loud")
    mlflow.log_metric("late", 0.02)
    return 1

@step
def at_the_end() -> int:
    mlflow.log_metric("overall", 0.5)
    return 1

@pipeline
def told_apart():
    silent(); loud(); at_the_end()

@step
def sweep() -> int:
    with mlflow.start_run(nested=True, run_name="A"):
        mlflow.log_metric("val_rmse", 0.1)
        log("a")
    with mlflow.start_run(nested=True, run_name="B"):
        log("b")
    mlflow.log_metric("size", 7)
    return 1

@pipeline
def nested():
    sweep()

@step
def pair() -> int:
    mlflow.log_metric("val_rmse", 0.3)
    first = log("first")
    second = log("second")
    mlflow.log_metric("f1", 0.4, model_id=first)
    mlflow.log_metric("f1", 0.6, model_id=second)
    return 1

@pipeline
def one_step():
    pair()

@step
def odd() -> int:
    model_id = log("odd")
    mlflow.log_metric("val_rmse", float("nan"))
    with mlflow.start_run(nested=True, run_name="evaluation"):
        mlflow.log_metric("eval_rmse", float("nan"), model_id=model_id)
        mlflow.log_metric("zero", 0.0, model_id=model_id)
    return 1

@pipeline
def not_numbers():
    odd()

if __name__ == "__main__":
    for made in (one_run, told_apart, nested, one_step, not_numbers):
        made()
"""
_MODELS = [
    ("one_run", "bad"), ("one_run", "good"), ("told_apart", "silent"), ("told_apart", "loud"), ("nested", "a"),
    ("nested", "b"), ("one_step", "first"), ("one_step", "second"), ("not_numbers", "odd"),
]  # fmt: skip


@pytest.fixture(scope="module", params=["local", "server"])
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Mapping[str, str]]:
    """A project whose pipelines ran, each model of theirs registered under the name that it was logged by."""
    folder = tmp_path_factory.mktemp(f"measured-{request.param}")
    environment = {
        "HOME": str(folder / "home"),
        "MLX_HOME": str(folder / "home"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    work = folder / "work"
    work.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(work)
        if request.param == "local":
            Path("mlx.yaml").write_text("version: 1\n")
        else:
            server: MlflowServer = request.getfixturevalue("mlflow_server")
            write_team_project(server.uri)
            environment["MLX_SECRET_SERVER__USERNAME"] = server.username
            environment["MLX_SECRET_SERVER__PASSWORD"] = server.password
        Path("trained.py").write_text(_PIPELINES)
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "MLX_"))}
        done = subprocess.run(
            [sys.executable, "trained.py"],
            env={**clean, **environment},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        for name, value in environment.items():
            patch.setenv(name, value)
        prefix = f"{request.param}-{os.getpid()}-"
        service = ModelService()
        runs = {run.pipeline: run.id for run in service._queries().list()}
        for pipeline, path in _MODELS:
            service.register(prefix + path, runs[pipeline], path=path)
    return work, {**environment, "PREFIX": prefix}


@pytest.fixture
def trained(made: tuple[Path, Mapping[str, str]], monkeypatch: pytest.MonkeyPatch) -> Any:
    """The service of that project, and what the models' names begin with."""
    folder, environment = made
    monkeypatch.chdir(folder)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return ModelService(), environment["PREFIX"]


def _judged(trained: Any, name: str, condition: str) -> list[tuple[Any, bool]]:
    service, prefix = trained
    done = service.promote(f"{prefix}{name}:1", "staging", conditions=[condition], dry_run=True)
    return [(row.left, row.holds) for row in done.rows]


def test_a_model_s_own_metric_is_its_value_wherever_it_is_shown(trained: Any) -> None:
    service, prefix = trained
    listed = {model.name: dict(model.metrics) for model in service.list(limit=1000)}
    for name, value in (("bad", 9.0), ("good", 0.1)):
        assert listed[prefix + name] == {"val_rmse": value}
        assert [dict(item.metrics) for item in service.versions(prefix + name)] == [{"val_rmse": value}]
        assert service.get(f"{prefix}{name}:1").metrics == {"val_rmse": value}
    compared = service.compare([f"{prefix}bad:1", f"{prefix}good:1"])
    assert [row.values for row in compared.rows if (row.kind, row.name) == ("metric", "val_rmse")] == [
        (9.0, 0.1)
    ]


def test_promotion_judges_a_model_by_its_own_metric(trained: Any) -> None:
    assert _judged(trained, "bad", "val_rmse <= 0.5") == [(9.0, False)]
    assert _judged(trained, "good", "val_rmse <= 0.5") == [(0.1, True)]


def test_a_metric_of_another_model_of_the_run_is_no_evidence(trained: Any) -> None:
    assert _judged(trained, "loud", "val_rmse <= 0.5") == [(0.01, True)]
    assert _judged(trained, "loud", "late <= 0.5") == [(0.02, True)]
    for metric in ("val_rmse", "late"):
        with pytest.raises(NotFoundError, match=f"has no metric '{metric}'.*is of model 'loud'"):
            _judged(trained, "silent", f"{metric} <= 0.5")


def test_a_metric_that_may_be_of_either_model_is_refused_as_evidence_and_listed(trained: Any) -> None:
    service, prefix = trained
    for name in ("silent", "loud"):
        assert service.get(f"{prefix}{name}:1").metrics["overall"] == 0.5
        with pytest.raises(NotFoundError) as told:
            _judged(trained, name, "overall <= 0.5")
        assert "metric 'overall' of run " in told.value.message
        assert "may be that of model 'silent' (step silent) or 'loud' (step loud)" in told.value.message
        assert told.value.hint == "mlflow.log_metric('overall', VALUE, model_id=...) says whose it is"


def test_a_sibling_run_that_logged_another_model_does_not_count(trained: Any) -> None:
    assert _judged(trained, "a", "val_rmse <= 0.5") == [(0.1, True)]
    with pytest.raises(NotFoundError, match="has no metric 'val_rmse'"):
        _judged(trained, "b", "val_rmse <= 0.5")
    assert _judged(trained, "b", "size == 7") == [(7.0, True)]  # of the run around both


def test_models_of_one_step_share_what_was_measured_before_and_keep_what_is_theirs(trained: Any) -> None:
    for name, own in (("first", 0.4), ("second", 0.6)):
        assert _judged(trained, name, "val_rmse <= 0.5") == [(0.3, True)]
        assert _judged(trained, name, "f1 <= 0.5") == [(own, own <= 0.5)]


def test_what_is_no_number_is_not_the_zero_that_mlflow_ties_to_the_model(trained: Any) -> None:
    for metric in ("val_rmse", "eval_rmse"):
        assert _judged(trained, "odd", f"{metric} < 1") == [("nan", False)]
    assert _judged(trained, "odd", "zero < 1") == [(0.0, True)]


def test_json_of_a_version_shows_the_same(trained: Any) -> None:
    service, prefix = trained
    assert json.loads(json.dumps(service.get(f"{prefix}bad:1").to_dict()))["metrics"] == {"val_rmse": 9.0}
