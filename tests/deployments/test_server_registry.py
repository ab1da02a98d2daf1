"""Models of a server with basic authentication and proxied artifacts, deployed from another HOME than the one that trained."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployments.zoo import TRAINING, Zoo
from tests.fixtures.mlflow_server import MlflowServer

pytestmark = pytest.mark.integration


def configured(folder: Path, server: MlflowServer) -> Zoo:
    """A project of its own whose stack tracks on the server."""
    folder.mkdir()
    (folder / "mlx.yaml").write_text(
        f"version: 1\nexperiment_trackers:\n  team:\n    flavor: mlflow\n    tracking_uri: {server.uri}\n"
        "    tracking_username: <<team.username>>\n    tracking_password: <<team.password>>\n"
        "stacks:\n  team: {experiment_tracker: team}\n"
    )
    return Zoo(folder)


@pytest.fixture
def elsewhere(home: Path, mlflow_server: MlflowServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zoo]:
    """A second person's project; what was trained was trained in the first one's."""
    monkeypatch.setenv("MLX_SECRET_TEAM__USERNAME", mlflow_server.username)
    monkeypatch.setenv("MLX_SECRET_TEAM__PASSWORD", mlflow_server.password)
    first = configured(home / "first", mlflow_server)
    (first.folder / "train.py").write_text(TRAINING)
    ran = subprocess.run(
        [sys.executable, "-m", "mlxkit", "run", "train.py"],
        cwd=first.folder, env={**os.environ, "HOME": str(first.folder)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-3000:]
    [run] = mlflow_server.admin.runs("zoo")
    logged = {model.name: model for model in first.registry.logged_models([run["info"]["run_id"]])}
    for number, name in enumerate(("one", "two"), start=1):
        assert first.registry.register("far-zoo", logged[name]).version == number
    second = configured(home / "second", mlflow_server)
    monkeypatch.setenv("HOME", str(second.folder))
    monkeypatch.chdir(second.folder)
    try:
        yield second
    finally:
        second.kill_leftovers()


def test_a_model_of_the_server_is_served_here_and_followed_there(
    elsewhere: Zoo, mlflow_server: MlflowServer
) -> None:
    elsewhere.registry.set_alias("far-zoo", "production", 1)
    made = subprocess.run(
        [sys.executable, "-m", "mlxkit", "model", "deploy", "far-zoo@production", "-o", "json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["state"] == "running"
    assert elsewhere.service.predict("far-zoo", b"[[1, 2]]") == {"predictions": [4.0]}

    elsewhere.registry.set_alias("far-zoo", "production", 2)
    [moved] = elsewhere.service.list()
    assert (moved.follows, moved.alias_now) == ("moved", 2)
    assert elsewhere.service.update("far-zoo").version == 2
    assert elsewhere.service.predict("far-zoo", b"[[1, 2]]") == {"predictions": [5.0]}
    kept = b"".join(path.read_bytes() for path in elsewhere.deployments.rglob("*") if path.is_file())
    assert mlflow_server.password.encode() not in kept
    environments = [Path(f"/proc/{pid}/environ").read_bytes() for pid in elsewhere.processes()]
    assert environments
    assert not any(mlflow_server.password.encode() in environment for environment in environments)
    elsewhere.service.delete("far-zoo")
    assert elsewhere.leftovers() == []
