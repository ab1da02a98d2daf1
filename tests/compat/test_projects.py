"""Whole projects in ZenML's style, run by real processes against a real MLflow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.mlflow_server import MlflowServer

from .serving import DEPLOY
from .shop import write

pytestmark = pytest.mark.integration


def mlx(*argv: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "mlxkit", *argv], env={**os.environ, **environment}, capture_output=True, text=True,
        check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == code, f"{argv}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def as_json(*argv: str, **environment: str) -> Any:
    return json.loads(mlx(*argv, "-o", "json", **environment).stdout)


def test_a_project_of_several_files_runs_as_it_stands(home: Path, mlflow_server: MlflowServer) -> None:
    secrets = {
        "MLX_SECRET_TEAM__USERNAME": mlflow_server.username,
        "MLX_SECRET_TEAM__PASSWORD": mlflow_server.password,
    }
    mlx("init")
    mlx(
        "experiment-tracker", "register", "team", "--flavor=mlflow", f"--tracking_uri={mlflow_server.uri}",
        "--tracking_username={{team.username}}", "--tracking_password={{team.password}}", **secrets,
    )  # fmt: skip
    mlx("stack", "register", "team", "-e", "team", "--set", **secrets)
    write(Path.cwd())

    done = mlx("run", "run.py", "--", "--register", **secrets)
    lines = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert 0.8 < float(lines["accuracy"]) <= 1
    assert lines["report"] == "['training', 'wine', 'train', True]"
    assert lines["url"].startswith(mlflow_server.uri)
    assert lines["predictions"] == "[0, 0, 0]"
    assert done.stderr.count("note: settings 'docker' have no effect") == 1
    assert "done" in done.stderr.splitlines()  # the project's logger is heard
    assert mlflow_server.password not in done.stdout + done.stderr

    (version,) = as_json("model", "versions", "wine-classifier", **secrets)
    assert (version["version_tag"], version["step"]) == ("1.0.0", "train")
    run = as_json("runs", "describe", "latest", **secrets)
    assert run["metadata"]["model"] == {"name": "wine", "version": "1"}
    (training,) = [item for item in as_json("runs", "list") if item["pipeline"] == "training"]
    assert training["tags"] == ["nightly"]
    assert training["metadata"]["model"]["license"] == "MIT"
    assert training["metadata"]["model_metadata"]["accuracy"] == pytest.approx(float(lines["accuracy"]))
    steps = {step["name"]: step for step in as_json("runs", "describe", training["id"], **secrets)["steps"]}
    assert steps["train"]["parameters"]["strength"] == 0.5  # from the configuration file
    notes = steps["train"]["metadata"]["artifacts"]
    assert notes["classifier"] == {
        "tags": ["linear"],
        "artifact_type": "ModelArtifact",
        "metadata": {"features": 13},
    }
    assert notes["columns"]["version"] == "first"
    listed = {item["name"] for item in as_json("artifact", "list")}
    assert "training::train::columns" in listed

    again = mlx("run", "run.py", **secrets)
    assert "step train cached" in again.stderr
    assert "step the_gate started" in again.stderr  # enable_cache=False
    assert dict(line.split(" ", 1) for line in again.stdout.splitlines())["predictions"] == "[0, 0, 0]"
    only = mlx("run", "run.py", "--", "--inference-only", **secrets)
    assert only.stdout.splitlines() == ["predictions [0, 0, 0]"]


@pytest.fixture
def nothing_left_served() -> Iterator[None]:
    yield
    for found in as_json("deployment", "list"):
        mlx("deployment", "delete", found["name"], "--yes")


@pytest.mark.usefixtures("nothing_left_served")
def test_a_model_is_trained_judged_deployed_and_asked(home: Path) -> None:
    mlx("init")
    Path("run_deployment.py").write_text(DEPLOY)
    first = mlx("run", "run_deployment.py").stdout.splitlines()
    assert first[1] == "predicted [12.0, 15.0]"
    assert first[2].startswith("tracking uri sqlite:")
    assert first[3].startswith("serving http://127.0.0.1:")
    (served,) = as_json("model-deployer", "models", "list")
    assert (served["state"], served["pipeline"]) == ("running", "continuous_deployment_pipeline")
    mlx("model-deployer", "models", "stop", served["name"])
    again = mlx("run", "run_deployment.py", "--", "--config", "predict").stdout.splitlines()
    assert again[0] == "predicted [12.0, 15.0]"  # the step starts what it was given
    mlx("model-deployer", "models", "delete", served["name"], "--yes")
    assert as_json("model-deployer", "models", "list") == []
