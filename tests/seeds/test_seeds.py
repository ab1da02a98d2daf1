"""The documents' samples, run by real processes against a real MLflow store."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.fixtures.mlflow_server import stop_group

from . import samples

pytestmark = pytest.mark.integration


@pytest.fixture
def stack(home: Path, mlx: Any) -> Path:
    """A project with the tracker that the blog's samples name."""
    assert mlx("init").code == 0
    assert mlx("tracker", "register", "mlflow_tracker", "--flavor=mlflow").code == 0
    assert mlx("stack", "register", "custom_stack", "-e", "mlflow_tracker", "--set").code == 0
    return Path.cwd()


def run_sample(text: str) -> str:
    Path("sample.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "mlxkit", "run", "sample.py"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(query: str) -> list[Any]:
    with sqlite3.connect(Path(".mlx/mlflow/mlflow.db")) as db:
        return db.execute(query).fetchall()


def test_the_blogs_first_pipeline_lands_in_mlflow(stack: Path) -> None:
    run_sample(samples.BLOG_SIMPLE)
    assert rows("SELECT name FROM experiments WHERE name = 'ml_pipeline'") == [("ml_pipeline",)]
    assert ("learning_rate", "0.01") in rows("SELECT key, value FROM params")
    assert rows("SELECT key, value FROM metrics") == [("accuracy", 0.95)]
    assert rows("SELECT status FROM runs") == [("FINISHED",)]
    assert not Path("mlruns").exists() and not Path("mlflow.db").exists()


def test_the_blogs_reproducible_pipeline_makes_two_runs_and_prints_the_number(stack: Path) -> None:
    output = run_sample(samples.BLOG_REPRODUCIBLE)
    assert output.splitlines() == ["Model trained with accuracy: 0.95"] * 2
    runs = rows("SELECT run_uuid FROM runs")
    assert len(runs) == 2
    logged = {run: dict(rows(f"SELECT key, value FROM params WHERE run_uuid = '{run}'")) for (run,) in runs}
    assert sorted((item["learning_rate"], item["num_epochs"]) for item in logged.values()) == [
        ("0.001", "20"),
        ("0.01", "10"),
    ]


def test_the_documents_trainer_logs_its_model_run_and_can_be_found_again(stack: Path) -> None:
    run_sample(samples.DATA_STEP + samples.DOCS_TRAINER)
    params = dict(rows("SELECT key, value FROM params"))
    assert params["note"] == "explicit"
    assert params["max_iter"] == "500"  # from autolog
    url = run_sample(samples.DOCS_URL).strip()
    run_id = rows("SELECT run_uuid FROM runs")[0][0]
    assert run_id in url
    assert "://" in url


def test_the_tracker_of_the_active_stack_can_be_named_in_the_decorator(stack: Path) -> None:
    run_sample(samples.DOCS_ACTIVE_TRACKER)
    assert rows("SELECT key FROM metrics") == [("seen",)]


def test_settings_make_a_nested_run_with_tags(stack: Path) -> None:
    run_sample(samples.DATA_STEP + samples.DOCS_SETTINGS)
    children = rows("SELECT run_uuid, value FROM tags WHERE key = 'mlflow.parentRunId'")
    assert len(children) == 1
    child = children[0][0]
    assert rows(f"SELECT name, status FROM runs WHERE run_uuid = '{child}'") == [("step_one", "FINISHED")]
    assert rows(f"SELECT value FROM tags WHERE run_uuid = '{child}' AND key = 'key'") == [("value",)]


@pytest.mark.parametrize("shell", ["bash", "dash"])
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (samples.SHELL_LOCAL, ["mlx", "stack", "get"]),
        (
            samples.SHELL_BASIC.replace("URI", "http://127.0.0.1:5000"),
            ["mlx", "tracker", "list", "-o", "name"],
        ),
        (samples.SHELL_SECRET, ["mlx", "tracker", "describe", "mlflow"]),
        (samples.SHELL_SECRETS_MANAGER, ["mlx", "secret", "list", "-o", "name"]),
        (samples.SHELL_DEPLOY, ["mlx", "secret", "list", "-o", "name"]),
    ],
    ids=["local", "basic", "secret", "secrets-manager", "deploy"],
)
def test_the_documents_commands_work_as_pasted(
    home: Path, shell: str, text: str, shown: list[str], tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("a password for the encrypted file")
    (tmp_path / "password").chmod(0o600)
    env = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "MLX_KEYRING_PASSWORD_FILE": str(tmp_path / "password"),
    }
    done = subprocess.run(
        [shell, "-c", samples.ZENML_IS_MLX + text.replace("=PASSWORD", "=hunter22")],
        capture_output=True,
        text=True,
        check=False,
        env=env,
    )
    if "\\ \n" in text:  # the blank after the backslash ends the command: its next line is none
        assert "--tracking_uri" in done.stderr
    else:
        assert done.returncode == 0, done.stderr
    listed = subprocess.run(shown, capture_output=True, text=True, check=True, env=env).stdout
    assert any(
        word in listed
        for word in (
            "custom_stack",
            "mlflow_experiment_tracker",
            "<<mlflow_secret.password>>",
            "mlflow_secret",
            "mlflow_tracker_admin",
        )
    )
    assert "hunter22" not in done.stdout + done.stderr + listed


def answer(request: str, process: subprocess.Popen[Any]) -> Any:
    """Ask a program that is still starting until it answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            return json.load(opener.open(request, timeout=5))
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"no answer: exit status {process.poll()}")


def test_the_url_of_a_step_is_answered_by_mlflow_ui_on_the_tracking_url(stack: Path, tmp_path: Path) -> None:
    run_sample(samples.LOGGED)
    tracking_url, url = run_sample(samples.LOGGED_WHERE).split()
    address, run_id = url.partition("/#/")[0], url.rpartition("/")[2]
    command = samples.SHELL_UI.strip().replace("<TRACKING_URL>", tracking_url).split()
    port = str(urlsplit(address).port)
    env = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (tmp_path / "ui.log").open("wb") as log:
        ui = subprocess.Popen(
            [sys.executable, "-m", *command, "--port", port, "--workers", "1"],
            stdout=log, stderr=log, env=env, start_new_session=True,
        )  # fmt: skip
    try:
        found = answer(f"{address}/api/2.0/mlflow/runs/get?run_id={run_id}", ui)
    finally:
        stop_group(ui)
    assert found["run"]["info"]["run_id"] == run_id
    assert {item["key"]: item["value"] for item in found["run"]["data"]["metrics"]} == {"seen": 1.0}
