"""What runs logged to a tracker, as `mlx runs` finds and shows it without asking the tracker."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mlxkit.errors import ExitCode
from tests.conftest import Result
from tests.fixtures.mlflow_server import MlflowServer

PIPELINE = """
import mlflow
from mlxkit import pipeline, step

@step(experiment_tracker=True)
def fit(lr: float) -> float:
    mlflow.log_param("model", "ridge")
    mlflow.log_metric("rmse", lr * 2)
    mlflow.log_metric("val loss/top", lr)
    return lr

@pipeline
def tracked(lr: float = 0.25) -> None:
    fit(lr)
"""
LOCAL = "version: 1\nexperiment_trackers:\n  t: {flavor: mlflow}\nstacks:\n  s: {experiment_tracker: t}\n"


@pytest.fixture
def local(mlx: Callable[..., Result]) -> Callable[..., Result]:
    Path("mlx.yaml").write_text(LOCAL)
    Path("p.py").write_text(PIPELINE)
    for lr in ("0.25", "0.5"):
        result = mlx("run", "p.py", "--lr", lr, "--name", f"lr-{lr}")
        assert result.code == 0, result.stderr
    return mlx


def test_runs_are_found_sorted_and_shown_by_what_they_measured(local: Callable[..., Result]) -> None:
    Path(".mlx/mlflow").rename("elsewhere")  # nobody is asked
    found = local("runs", "list", "--where", "metrics.rmse < 0.8", "-o", "json")
    (row,) = json.loads(found.stdout)
    assert (row["name"], row["metrics"]) == ("lr-0.25", {"rmse": 0.5, "val loss/top": 0.25})
    assert row["logged_params"] == {"lr": "0.25", "model": "ridge"}
    plain = local("runs", "list", "--sort", "-metrics.rmse", "--where", 'metrics."val loss/top" > 0').stdout
    assert [line.split("\t")[-2:] for line in plain.splitlines()] == [["0.5", "1"], ["0.25", "0.5"]]
    missing = local("runs", "list", "--where", "metrics.rsme < 1")
    assert (missing.code, "did you mean 'rmse'" in missing.stderr) == (ExitCode.not_found, True)
    described = local("runs", "describe", "lr-0.5")
    assert "metrics.rmse\t1\n" in described.stdout and "logged_params.model\tridge\n" in described.stdout


def test_the_address_of_a_run_on_a_local_store_says_what_serves_it(local: Callable[..., Result]) -> None:
    Path(".mlx/mlflow").rename("elsewhere")
    result = local("runs", "url", "lr-0.5")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/#/experiments/\d+/runs/\w{32}\n", result.stdout)
    assert result.stderr == "served by: mlx tracker ui t\n"
    data = json.loads(local("runs", "describe", "lr-0.5", "-o", "json").stdout)
    assert data["tracker_urls"] == [result.stdout.strip()]
    address = result.stdout.strip()
    as_json = local("runs", "url", "lr-0.5", "-o", "json")
    assert json.loads(as_json.stdout) == {"schema_version": 1, "url": address}
    assert as_json.stderr == "served by: mlx tracker ui t\n"
    assert local("runs", "url", "lr-0.5", "-o", "yaml").stdout == f"schema_version: 1\nurl: {address}\n"
    assert local("runs", "url", "lr-0.5", "-o", "name").stdout == f"{address}\n"


def test_the_address_of_a_run_on_a_server_is_its_page_there(
    mlx: Callable[..., Result], mlflow_server: MlflowServer
) -> None:
    from tests.integrations.mlflow.conftest import server_attributes

    attributes = server_attributes(mlflow_server)
    given = [
        f"--{name}={getattr(value, 'reveal', lambda value=value: value)()}"
        for name, value in attributes.items()
    ]
    assert mlx("init").code == 0
    registered = mlx("tracker", "register", "team", "--flavor=mlflow", *given)
    assert registered.code == 0, registered.stderr
    Path("p.py").write_text(PIPELINE)
    ran = mlx("run", "p.py", "--tracker", "team")
    assert ran.code == 0, ran.stderr
    result = mlx("runs", "url")
    assert result.stdout.startswith(f"{mlflow_server.uri}/#/experiments/")
    assert result.stderr == ""
    assert json.loads(mlx("runs", "list", "--where", "metrics.rmse = 0.5", "-o", "json").stdout)


def test_a_tracker_that_is_gone_at_the_end_does_not_fail_the_run(mlx: Callable[..., Result]) -> None:
    Path("mlx.yaml").write_text(LOCAL)
    Path("p.py").write_text(
        PIPELINE.replace("    return lr", "    import shutil; shutil.rmtree('.mlx/mlflow')\n    return lr")
    )
    result = mlx("--verbose", "run", "p.py")
    assert "did not say what was measured" in result.stderr
    (row,) = json.loads(mlx("runs", "list", "-o", "json").stdout)
    assert (row["status"], row["metrics"]) == ("completed", {})


def test_what_a_killed_run_measured_is_known_when_the_next_command_closes_it(
    mlx: Callable[..., Result], mlx_process: list[str]
) -> None:
    Path("mlx.yaml").write_text(LOCAL)
    killed = "    import os, signal; os.kill(os.getpid(), signal.SIGKILL)\n    return lr"
    Path("p.py").write_text(PIPELINE.replace("    return lr", killed))
    done = subprocess.run([*mlx_process, "run", "p.py"], capture_output=True, timeout=120)
    assert done.returncode == -signal.SIGKILL
    (row,) = json.loads(mlx("runs", "list", "--where", "metrics.rmse < 0.8", "-o", "json").stdout)
    assert (row["status"], row["metrics"]["rmse"]) == ("interrupted", 0.5)
