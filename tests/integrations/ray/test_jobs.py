"""Detached runs on a real cluster: submitted, followed, cancelled, and what is said when something is in the way."""

from __future__ import annotations

import json
import os
import textwrap
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlxkit import Client
from mlxkit.errors import ExitCode
from mlxkit.runs.history import History
from tests.conftest import Result
from tests.fixtures.ray_cluster import CANARY, RayCluster

Mlx = Callable[..., Result]

PIPELINE = """
import time
from pathlib import Path
from mlxkit import Client, pipeline, step
from library.numbers import double

@step
def load(n: int) -> list:
    print("loading", n)
    return [double(item) for item in range(n)]

@step
def total(rows: list) -> int:
    print("the password is", Client().secrets.value("cluster", "password"))
    return sum(rows)

@step
def fail(rows: list) -> int:
    print("before the fall")
    raise ValueError("no sum today")

@step
def wait() -> int:
    print("waiting", flush=True)
    time.sleep(600)
    return 1

@pipeline
def train(n: int = 3) -> None:
    total(load(n))

@pipeline
def broken(n: int = 3) -> None:
    fail(load(n))

@pipeline
def slow() -> None:
    wait()
"""

CONFIG = """
version: 1
default_stack: cluster
orchestrators:
  cluster: {{flavor: ray, address: "{address}", dashboard: "{dashboard}"}}
artifact_stores:
  outside: {{flavor: local, path: "{outside}"}}
experiment_trackers:
  server: {{flavor: mlflow, tracking_uri: "https://mlflow.invalid", tracking_username: me, tracking_password: "<<nobody.password>>"}}
stacks:
  cluster: {{orchestrator: cluster}}
  outside: {{orchestrator: cluster, artifact_store: outside}}
  locked: {{orchestrator: cluster, artifact_store: outside, experiment_tracker: server}}
"""


@pytest.fixture
def lab(home: Path, ray_cluster: RayCluster) -> Path:
    """A project whose stacks run on the cluster."""
    folder = Path.cwd()
    outside = home / "outside"
    text = CONFIG.format(address=ray_cluster.address, dashboard=ray_cluster.dashboard, outside=outside)
    (folder / "mlx.yaml").write_text(text)
    (folder / "library").mkdir()
    (folder / "library" / "numbers.py").write_text("def double(n):\n    return 2 * n\n")
    (folder / "p.py").write_text(textwrap.dedent(PIPELINE))
    return folder


def _submitted(mlx: Mlx, *argv: str) -> str:
    result = mlx("run", "--detach", *argv)
    assert result.code == 0, result.stderr
    return result.stdout.strip()


def _described(mlx: Mlx, run_id: str) -> dict[str, Any]:
    result = mlx("runs", "describe", run_id, "-o", "json")
    assert result.code == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def _status(mlx: Mlx, run_id: str) -> str:
    rows = json.loads(mlx("runs", "list", "-o", "json").stdout)
    return next(row["status"] for row in rows if row["id"] == run_id)


def _get(cluster: RayCluster, path: str) -> str:
    with urllib.request.urlopen(f"{cluster.dashboard}{path}", timeout=30) as answer:
        text: str = answer.read().decode()
    return text


def test_a_detached_run_is_followed_from_the_same_history(
    mlx: Mlx, lab: Path, ray_cluster: RayCluster
) -> None:
    run_id = _submitted(mlx, "p.py:train", "--n", "4", "--tag", "nightly")
    assert _status(mlx, run_id) == "running"
    followed = mlx("runs", "logs", run_id, "-f")
    assert followed.code == 0, followed.stderr
    assert "loading 4" in followed.stdout
    assert "the password is ***" in followed.stdout
    found = _described(mlx, run_id)
    assert (found["status"], found["pipeline"], found["tags"]) == ("completed", "train", ["nightly"])
    assert found["parameters"] == {"n": 4}
    assert [(step["name"], step["status"]) for step in found["steps"]] == [
        ("load", "completed"),
        ("total", "completed"),
    ]
    assert found["environment"]["python"]
    assert Client().get_run(run_id).get_step("total").output.load() == 12
    assert CANARY not in followed.stdout + followed.stderr + json.dumps(found)
    job = found["metadata"]["detached"]["job"]
    for path in ("/api/jobs/", f"/api/jobs/{job}", f"/api/jobs/{job}/logs", "/api/v0/tasks?detail=1"):
        assert CANARY not in _get(ray_cluster, path)
    assert job in _get(ray_cluster, "/api/jobs/")
    laid_open = [
        path
        for path in [*ray_cluster.folder.rglob("*"), *lab.parent.rglob("*")]
        if path.is_file() and not path.is_symlink() and CANARY.encode() in path.read_bytes()
    ]
    assert laid_open == []
    cancelled = mlx("runs", "cancel", run_id)
    assert (cancelled.code, "had ended already: completed" in cancelled.stderr) == (0, True)
