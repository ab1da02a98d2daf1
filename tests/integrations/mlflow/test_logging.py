"""Everything that can be logged in a step: artifacts, models, traces, in the background, over TLS."""

from __future__ import annotations

import os
from pathlib import Path

import mlflow
import pytest

from mlxkit.stacks.protocols import StepFacts
from tests.fixtures.loopback import self_signed, tls_in_front_of
from tests.fixtures.mlflow_server import MlflowServer

from .conftest import Setting, server_attributes


def test_artifacts_logged_in_a_step_are_stored_with_its_run(setting: Setting, pipeline_name: str) -> None:
    run = setting.open(pipeline_name)
    with run.step(StepFacts("fit", "s1")) as step:
        mlflow.log_text("hello", "notes/hello.txt")
        mlflow.log_dict({"a": 1}, "a.json")
        run_id = step.metadata()["mlflow_run_id"]
        assert mlflow.artifacts.load_text(f"runs:/{run_id}/notes/hello.txt") == "hello"
    run.finish("completed")
    if setting.scenario == "local":
        assert list((setting.state_dir / "mlflow" / "artifacts").rglob("hello.txt"))


def test_a_model_logged_in_a_step_can_be_loaded_and_registered_from_its_run(
    setting: Setting, pipeline_name: str
) -> None:
    import mlflow.sklearn
    from sklearn.linear_model import LogisticRegression

    run = setting.open(pipeline_name)
    with run.step(StepFacts("fit", "s1")) as step:
        model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
        logged = mlflow.sklearn.log_model(model, name="model", pip_requirements=[])
        version = mlflow.register_model(logged.model_uri, pipeline_name)
        assert version.run_id == step.metadata()["mlflow_run_id"]
        loaded = mlflow.sklearn.load_model(f"runs:/{step.metadata()['mlflow_run_id']}/model")
        assert loaded.predict([[1.0]]) == [1]
    run.finish("completed")
    if setting.scenario == "local":
        assert list((setting.state_dir / "mlflow" / "artifacts").rglob("MLmodel"))


def test_a_step_logs_over_tls_that_is_not_checked_without_a_word_each_time(
    mlflow_server: MlflowServer, tmp_path: Path, pipeline_name: str, recwarn: pytest.WarningsRecorder
) -> None:
    with tls_in_front_of(int(mlflow_server.uri.rpartition(":")[2]), self_signed(tmp_path)) as uri:
        given = {**server_attributes(mlflow_server), "tracking_uri": uri, "tracking_insecure_tls": True}
        setting = Setting("server", tmp_path / ".mlx", mlflow_server.admin, given)
        run = setting.open(pipeline_name)
        with run.step(StepFacts("fit", "s1")):
            mlflow.log_metric("m", 1)
            mlflow.log_text("x", "x.txt")
        run.finish("completed")
    assert [found["metrics"] for found in setting.reader.runs(pipeline_name)] == [{"m": 1}]
    assert not [warning for warning in recwarn if "Unverified HTTPS" in str(warning.message)]


def test_what_was_logged_in_the_background_is_there_when_the_step_ends(
    setting: Setting, pipeline_name: str
) -> None:
    import numpy

    run = setting.open(pipeline_name)
    with run.step(StepFacts("fit", "s1")):
        client = mlflow.MlflowClient()  # which does not ask for MLflow's active run
        ours = os.environ["MLFLOW_RUN_ID"]
        for number in range(50):
            client.log_metric(ours, f"m{number}", number, synchronous=False)
    with run.step(StepFacts("draw", "s2")):
        for number in range(3):
            image = numpy.zeros((9, 9, 3), numpy.uint8)
            client.log_image(ours, image, key="drawn", step=number, synchronous=False)
    assert len(setting.reader.runs(pipeline_name)[0]["metrics"]) == 50
    with run.step(StepFacts("look", "s3", tracked=False)):
        drawn = [item.path for item in client.list_artifacts(ours, "images") if item.path.endswith(".png")]
    assert len(drawn) == 3
    run.finish("completed")


def test_a_trace_in_a_step_belongs_to_its_run_and_is_there_when_the_step_ends(
    setting: Setting, pipeline_name: str
) -> None:
    run = setting.open(pipeline_name)
    with run.step(StepFacts("fit", "s1")) as step:
        for _ in range(5):
            with mlflow.start_span("work"):
                pass
    with run.step(StepFacts("look", "s2", tracked=False)):
        traces = mlflow.search_traces(return_type="list", locations=[step.metadata()["mlflow_experiment_id"]])
    sources = [trace.info.request_metadata["mlflow.sourceRun"] for trace in traces]
    assert sources == [step.metadata()["mlflow_run_id"]] * 5
    run.finish("completed")
