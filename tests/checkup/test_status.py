"""`mlx status`: where a project stands, offline."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlxkit.runs.detached.place import Place
from mlxkit.runs.history import History
from mlxkit.runs.records import RunRecord

CONFIG = """\
version: 1
default_stack: team
experiment_trackers:
  server:
    flavor: mlflow
    tracking_uri: https://ada:<<tracking.password>>@mlflow.invalid
    tracking_token: <<tracking.token>>
stacks:
  team: {experiment_tracker: server}
  other: {}
"""


def test_it_works_where_nothing_is(mlx) -> None:
    done = mlx("status")
    assert done.code == 0
    rows = dict(line.split("\t") for line in done.stdout.splitlines())
    assert rows["stack"].startswith("default (chosen by nothing")
    assert "not written yet" in rows["config"]
    assert rows["last run"] == "none yet; mlx run FILE makes one"
    assert not Path(".mlx").exists()


def test_it_says_which_choice_won(mlx, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("mlx.yaml").write_text(CONFIG)
    assert json.loads(mlx("status", "-o", "json").stdout)["stack_source"] == "default_stack"
    assert mlx("stack", "set", "other").code == 0
    found = json.loads(mlx("status", "-o", "json").stdout)
    assert (found["schema_version"], found["stack"], found["stack_source"]) == (1, "other", ".mlx")
    monkeypatch.setenv("MLX_STACK", "team")
    assert json.loads(mlx("status", "-o", "json").stdout)["stack_source"] == "MLX_STACK"
    assert mlx("status", "-o", "name", "--stack", "other").stdout == "other\n"


def test_an_address_is_shown_and_what_is_missing_is_said_without_asking_a_server(mlx) -> None:
    Path("mlx.yaml").write_text(CONFIG)
    done = mlx("status")
    assert "tracker\tserver (mlflow) https://ada:<<tracking.password>>@mlflow.invalid\n" in done.stdout
    assert "mlx secret create tracking --password --token" in done.stderr
    assert done.code == 0


def test_a_plain_credential_is_not_shown(mlx) -> None:
    Path("mlx.yaml").write_text(CONFIG.replace("<<tracking.password>>", "hunter22"))
    done = mlx("status", "-o", "json")
    assert "hunter22" not in done.stdout + done.stderr
    assert "***@mlflow.invalid" in done.stdout


def test_a_stack_that_cannot_be_chosen_is_a_problem_and_not_the_end(mlx) -> None:
    Path("mlx.yaml").write_text("version: 1\nstacks:\n  a: {}\n  b: {}\n")
    done = mlx("status")
    assert done.code == 0
    assert "no stack is active; there are a, b" in done.stderr


def test_a_damaged_history_does_not_hide_the_rest(mlx) -> None:
    Path("mlx.yaml").write_text(CONFIG)
    Path(".mlx").mkdir(mode=0o700)
    Path(".mlx/history.db").write_bytes(b"garbage" * 1000)
    done = mlx("status")
    assert done.code == 0
    assert "stack\tteam" in done.stdout
    assert "the run history cannot be read" in done.stderr


def test_a_broken_file_is_a_configuration_error(mlx) -> None:
    Path("mlx.yaml").write_text("version: 1\nstakcs: {}\n")
    done = mlx("status")
    assert (done.code, done.stdout) == (4, "")
    assert "mlx.yaml:2" in done.stderr


def test_a_run_that_goes_on_is_named_and_one_whose_process_died_is_not() -> None:
    Path("slow.py").write_text(
        "import time\nfrom mlxkit import pipeline, step\n"
        "@step\ndef wait() -> None:\n    time.sleep(600)\n"
        "@pipeline\ndef slow() -> None:\n    wait()\n"
    )
    run = subprocess.Popen([sys.executable, "-m", "mlxkit", "run", "slow.py"], stderr=subprocess.DEVNULL)
    try:
        found = _status_when(lambda status: status["running"])
        assert found["running"] == [found["last_run"]["name"]]
        assert found["last_run"]["status"] == "running"
    finally:
        run.send_signal(signal.SIGKILL)
        run.wait()
    found = _status_when(lambda status: not status["running"])
    assert found["last_run"]["status"] == "interrupted"


def test_a_detached_run_goes_on_although_no_process_here_holds_it(mlx) -> None:
    place = Place("r1", "mlx-r1", "http://cluster.invalid:8265", "cluster", "cluster", is_here=False)
    history = History(Path(".mlx"))
    history.begin_run(RunRecord("r1", "far", "p", "cluster", "running", 1.0, metadata=place.noted()), {}, "")
    history.close()
    Path("mlx.yaml").write_text(CONFIG)
    found = json.loads(mlx("status", "-o", "json").stdout)
    assert (found["last_run"]["status"], found["running"]) == ("running", ["far"])


def _status_when(condition) -> dict:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        done = subprocess.run(
            [sys.executable, "-m", "mlxkit", "status", "-o", "json"], capture_output=True, text=True, env=dict(os.environ)
        )  # fmt: skip
        found = json.loads(done.stdout)
        if condition(found):
            return found
        time.sleep(0.1)
    raise AssertionError(found)
