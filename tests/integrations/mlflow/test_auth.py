"""Credentials reach the tracker's server, in this process and in its children, and nobody and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow
import pytest
import requests

from mlxkit.integrations.mlflow.auth import Authorize, configured_connection, goes_to
from mlxkit.integrations.mlflow.inject import injection
from mlxkit.stacks.protocols import StepFacts
from tests.fixtures.loopback import http_server
from tests.fixtures.mlflow_server import MlflowServer

from .conftest import Setting


def test_no_credential_is_in_the_environment_of_a_step(
    server: Setting, mlflow_server: MlflowServer, pipeline_name: str
) -> None:
    run = server.open(pipeline_name)
    with run.step(StepFacts("fit", "s1")):
        mlflow.log_metric("m", 1)
        everything = json.dumps(dict(os.environ))
        child = subprocess.run(
            [sys.executable, "-c", "import os; print(dict(os.environ))"],
            capture_output=True,
            text=True,
            check=True,
        )
    run.finish("completed")
    assert mlflow_server.password not in everything + child.stdout
    assert server.reader.runs(pipeline_name)[0]["metrics"] == {"m": 1}


def test_credentials_of_the_user_s_own_environment_do_not_reach_the_tracker(
    server: Setting, pipeline_name: str
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"):
            patch.setenv(name, "wrong")
        patch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        run = server.open(pipeline_name)
        with run.step(StepFacts("fit", "s1")):
            mlflow.log_metric("m", 1)
        run.finish("completed")
        assert os.environ["MLFLOW_TRACKING_PASSWORD"] == "wrong"
        assert os.environ["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:9"
    assert server.reader.runs(pipeline_name)[0]["metrics"] == {"m": 1}


def test_another_server_that_user_code_talks_to_gets_no_credentials(
    server: Setting, pipeline_name: str
) -> None:
    seen: list[str | None] = []

    def answer(request: Any, body: bytes) -> tuple[int, str, bytes]:
        seen.append(request.headers["Authorization"])
        return 200, "application/json", b'{"experiments": []}'

    run = server.open(pipeline_name)
    with http_server(answer) as uri, pytest.warns(UserWarning, match="pointed MLflow at another address"):
        with run.step(StepFacts("fit", "s1")):
            mlflow.MlflowClient(tracking_uri=uri).search_experiments()
            mlflow.set_tracking_uri(uri)
            mlflow.search_experiments()
    run.finish("completed")
    assert seen and set(seen) == {None}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://ml.example.com/base/api/2.0/mlflow/runs/get", True),
        ("https://ML.example.com:443/base/api", True),
        ("https://ml.example.com/base", True),
        ("https://ml.example.com/other", False),
        ("https://ml.example.com/basement", False),
        ("http://ml.example.com/base/api", False),
        ("https://ml.example.com:8443/base/api", False),
        ("https://ml.example.com.evil.org/base/api", False),
        ("https://ml.example.com@evil.org/base/api", False),
    ],
)
def test_a_request_goes_to_the_tracker_only_on_its_server_and_below_its_path(
    server: Setting, url: str, expected: bool
) -> None:
    to = server.make(tracking_uri="https://ml.example.com/base").connection
    assert goes_to(url, to) is expected


def test_the_header_of_one_request_is_that_of_the_running_step(
    server: Setting, mlflow_server: MlflowServer
) -> None:
    request = requests.Request("GET", f"{mlflow_server.uri}/version").prepare()
    injection.enter(server.tracker.connection, "e")
    try:
        assert Authorize()(request).headers["Authorization"].startswith("Basic ")
    finally:
        injection.leave()


CHILD = """
import os, mlflow
with mlflow.start_run():
    mlflow.log_metric("from_child", 1)
    mlflow.log_text("x", "x.txt")
"""


def test_a_child_process_resolves_the_credentials_itself(
    server: Setting, mlflow_server: MlflowServer, pipeline_name: str, tmp_path: Path, home: Path
) -> None:
    (home / "work" / "mlx.yaml").write_text(
        "version: 1\nexperiment_trackers:\n  team:\n    flavor: mlflow\n"
        f"    tracking_uri: {mlflow_server.uri}\n"
        "    tracking_username: <<server.username>>\n    tracking_password: <<server.password>>\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLX_SECRET_SERVER__USERNAME", mlflow_server.username)
        patch.setenv("MLX_SECRET_SERVER__PASSWORD", mlflow_server.password)
        run = server.open(pipeline_name)
        with run.step(StepFacts("fit", "s1")):
            done = subprocess.run(
                [sys.executable, "-c", CHILD], cwd=tmp_path, capture_output=True, text=True, timeout=120
            )
    run.finish("completed")
    assert done.returncode == 0, done.stderr
    [found] = server.reader.runs(pipeline_name)
    assert found["metrics"] == {"from_child": 1}


def test_without_a_name_the_active_stack_s_tracker_is_meant(mlflow_server: MlflowServer, home: Path) -> None:
    (home / "work" / "mlx.yaml").write_text(
        "version: 1\nexperiment_trackers:\n  team: {flavor: mlflow, tracking_uri: 'http://127.0.0.1:5000'}\n"
        "stacks:\n  default: {experiment_tracker: team}\n"
    )
    configured_connection.cache_clear()
    assert configured_connection(None).tracking_uri == "http://127.0.0.1:5000"
    configured_connection.cache_clear()
