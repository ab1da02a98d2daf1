"""Databricks, stood in for by a server on loopback that checks host and bearer token before a real MLflow."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlxkit.errors import ConfigError, CredentialsError
from mlxkit.integrations.mlflow.tracker import MlflowTracker
from mlxkit.secrets.value import SecretValue
from mlxkit.stacks.protocols import RunFacts, StepFacts, TrackerRun
from mlxkit.stacks.resolve import ResolvedComponent
from tests.fixtures.loopback import databricks_in_front_of
from tests.fixtures.mlflow_server import MlflowServer

TOKEN = "dapi-S3CR3T-0123456789"


@pytest.fixture
def workspace(mlflow_server: MlflowServer) -> Iterator[tuple[str, list[str]]]:
    pair = base64.b64encode(f"{mlflow_server.username}:{mlflow_server.password}".encode()).decode()
    with databricks_in_front_of(mlflow_server.uri, TOKEN, f"Basic {pair}") as made:
        yield made


def tracker(host: str, **attributes: Any) -> MlflowTracker:
    given = {"tracking_uri": "databricks", "databricks_host": host, **attributes}
    return MlflowTracker(
        ResolvedComponent("experiment_tracker", "lake", "mlflow", given), Path.cwd() / ".mlx"
    )


def test_a_step_logs_through_the_workspace_and_leaves_no_credential_behind(
    workspace: tuple[str, list[str]], mlflow_server: MlflowServer, pipeline_name: str
) -> None:
    import mlflow

    host, seen = workspace
    made = tracker(host, tracking_token=SecretValue(TOKEN))
    made.preflight()
    told: list[TrackerRun] = []
    run = made.open(RunFacts("r1", "first", pipeline_name, "default", {"lr": "0.1"}), told.append)
    with run.step(StepFacts("fit", "s1")) as step:
        assert mlflow.get_registry_uri() == "databricks"
        mlflow.log_metric("m", 1)
        with mlflow.start_run():
            mlflow.log_param("depth", 3)
    assert not [name for name in os.environ if name.startswith("DATABRICKS_")]
    with run.step(StepFacts("again", "s2")):
        mlflow.log_param("depth", 4)
    run.finish("completed")
    [found] = mlflow_server.admin.runs(f"/Shared/{pipeline_name}")
    assert (found["metrics"], found["info"]["status"]) == ({"m": 1}, "FINISHED")
    assert found["params"] == {"lr": "0.1", "depth": "3", "again.depth": "4"}
    assert step.metadata()["experiment_tracker_url"] == (
        f"{host}/ml/experiments/{found['info']['experiment_id']}/runs/{found['info']['run_id']}"
    )
    assert told[0].tracking_uri == "databricks"
    assert any("log-metric" in request for request in seen)


def test_unity_catalog_is_where_models_go_when_it_is_enabled(
    workspace: tuple[str, list[str]], pipeline_name: str
) -> None:
    import mlflow

    run = tracker(workspace[0], tracking_token=SecretValue(TOKEN), enable_unity_catalog=True).open(
        RunFacts("r1", "first", pipeline_name, "default"), lambda run: None
    )
    with run.step(StepFacts("fit", "s1")):
        assert mlflow.get_registry_uri() == "databricks-uc"
    run.finish("completed")


def test_a_wrong_token_is_refused_before_the_run(workspace: tuple[str, list[str]]) -> None:
    with pytest.raises(CredentialsError, match="does not allow it: Invalid access token") as caught:
        tracker(workspace[0], tracking_token=SecretValue("dapi-WRONG")).preflight()
    assert "dapi-WRONG" not in str(caught.value)
    assert caught.value.hint is not None and "--tracking_token" in caught.value.hint


def test_a_service_principal_gets_a_token_of_its_own(
    workspace: tuple[str, list[str]], mlflow_server: MlflowServer, pipeline_name: str
) -> None:
    import mlflow

    principal = {
        "databricks_client_id": SecretValue("principal"),
        "databricks_client_secret": SecretValue(TOKEN),
    }
    made = tracker(workspace[0], **principal)
    made.preflight()
    run = made.open(RunFacts("r1", "first", pipeline_name, "default"), lambda run: None)
    with run.step(StepFacts("fit", "s1")):
        mlflow.log_metric("m", 1)
    run.finish("completed")
    assert [found["metrics"] for found in mlflow_server.admin.runs(f"/Shared/{pipeline_name}")] == [{"m": 1}]


def test_a_wrong_service_principal_is_refused_before_the_run(workspace: tuple[str, list[str]]) -> None:
    wrong = {
        "databricks_client_id": SecretValue("principal"),
        "databricks_client_secret": SecretValue("wrong-one"),
    }
    with pytest.raises(CredentialsError, match="refused the service principal"):
        tracker(workspace[0], **wrong).preflight()


def test_a_host_is_needed() -> None:
    with pytest.raises(ConfigError, match="tracking_uri=databricks needs databricks_host"):
        tracker("")


def test_the_variables_of_a_child_process_are_those_of_the_tracker_only(
    workspace: tuple[str, list[str]], pipeline_name: str
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABRICKS_CONFIG_PROFILE", "other")
        patch.setenv("DATABRICKS_TOKEN", "theirs")
        run = tracker(workspace[0], tracking_token=SecretValue(TOKEN)).open(
            RunFacts("r1", "first", pipeline_name, "default"), lambda run: None
        )
        with run.step(StepFacts("fit", "s1", tracked=False)):
            code = "import os, json; print(json.dumps({k: v for k, v in os.environ.items() if k.startswith('DATABRICKS_')}))"
            child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert (os.environ["DATABRICKS_CONFIG_PROFILE"], os.environ["DATABRICKS_TOKEN"]) == (
            "other",
            "theirs",
        )
    assert json.loads(child.stdout) == {
        "DATABRICKS_HOST": workspace[0],
        "DATABRICKS_TOKEN": TOKEN,
        "DATABRICKS_AUTH_TYPE": "pat",
    }
    run.finish("completed")
