"""What programs log under `mlx exec` lands in the one run that is opened around them: SQLite, and a real server."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlxkit import Client
from tests.fixtures.mlflow_server import MlflowServer

PYTHON = sys.executable
LOGS = "import mlflow, sys\nmlflow.log_metric('rmse', 0.5)\nmlflow.log_param('p', 1)\nsys.exit(int(sys.argv[1]))\n"
RESUMES = (
    "import mlflow, sys\nwith mlflow.start_run() as run:\n    mlflow.log_metric('rmse', 0.25)\n"
    "print(run.info.run_id)\nsys.exit(int(sys.argv[1]))\n"
)


@pytest.fixture
def local(home: Path) -> None:
    """A project with a local tracker."""
    Path("mlx.yaml").write_text(
        "version: 1\ndefault_stack: s\nexperiment_trackers:\n  here: {flavor: mlflow}\nstacks:\n  s: {experiment_tracker: here}\n"
    )


@pytest.fixture
def team(mlflow_server: MlflowServer, home: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowServer:
    """A project with a tracker on the server; its password comes by reference."""
    Path("mlx.yaml").write_text(
        f"version: 1\ndefault_stack: s\nexperiment_trackers:\n  team:\n    flavor: mlflow\n    tracking_uri: {mlflow_server.uri}\n"
        "    tracking_username: <<server.username>>\n    tracking_password: <<server.password>>\n"
        "stacks:\n  s: {experiment_tracker: team}\n"
    )
    monkeypatch.setenv("MLX_SECRET_SERVER__USERNAME", mlflow_server.username)
    monkeypatch.setenv("MLX_SECRET_SERVER__PASSWORD", mlflow_server.password)
    return mlflow_server


def execute(mlx_process: list[str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*mlx_process, "exec", *words], capture_output=True, text=True, timeout=120)


def stored() -> list[dict[str, Any]]:
    """Return the runs in the local store: status, metrics, params."""
    with sqlite3.connect(".mlx/mlflow/mlflow.db") as db:
        return [
            {
                "id": run,
                "status": status,
                "metrics": dict(
                    db.execute("SELECT key, value FROM latest_metrics WHERE run_uuid = ?", (run,)).fetchall()
                ),
                "params": dict(
                    db.execute("SELECT key, value FROM params WHERE run_uuid = ?", (run,)).fetchall()
                ),
            }
            for run, status in db.execute("SELECT run_uuid, status FROM runs ORDER BY start_time")
        ]


def test_several_programs_of_one_script_log_into_one_run_and_our_status_wins(
    local: None, mlx_process: list[str]
) -> None:
    Path("logs.py").write_text(LOGS)
    Path("resumes.py").write_text(RESUMES)
    script = f"{PYTHON} resumes.py 0 && {PYTHON} logs.py 3"
    done = execute(mlx_process, "--pipeline", "nightly", "--", "bash", "-c", script)
    assert done.returncode == 3, done.stderr
    (run,) = stored()
    assert run["status"] == "FAILED"  # the first program ended it as FINISHED on its own
    assert run["metrics"] == {"rmse": 0.5}
    assert run["params"]["p"] == "1"
    assert "logs.py 3" in run["params"]["command"]
    assert run["id"] in done.stdout
    record = Client().runs.list()[0]
    assert (record.status, record.pipeline) == ("failed", "nightly")
    assert Client().runs.tracker_runs(record.id) == [run["id"]]


def test_a_signal_makes_the_tracker_s_run_killed(local: None, mlx_process: list[str]) -> None:
    assert execute(mlx_process, "--", "sh", "-c", "kill -TERM $$").returncode == 143
    assert [run["status"] for run in stored()] == ["KILLED"]


def test_an_experiment_of_its_own(local: None, mlx_process: list[str]) -> None:
    assert execute(mlx_process, "--experiment", "churn", "--", "true").returncode == 0
    with sqlite3.connect(".mlx/mlflow/mlflow.db") as db:
        assert ("churn",) in db.execute("SELECT name FROM experiments").fetchall()


def test_a_killed_mlx_leaves_a_run_that_the_next_command_closes(local: None, mlx_process: list[str]) -> None:
    process = subprocess.Popen(
        [*mlx_process, "exec", "--", "sh", "-c", "echo ready; exec sleep 300"], stdout=subprocess.PIPE
    )
    assert process.stdout and process.stdout.readline() == b"ready\n"
    process.kill()
    process.wait(60)
    assert execute(mlx_process, "--", "true").returncode == 0
    assert [run["status"] for run in stored()] == ["KILLED", "FINISHED"]


def test_a_program_with_mlflow_alone_gets_the_tracker_s_credentials_and_no_other(
    team: MlflowServer, mlx_process: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLX_SECRET_OTHER__WORD", "unrelated-secret")
    Path("logs.py").write_text(LOGS)
    script = (
        f"{PYTHON} logs.py 0 && env | grep -c MLX_SECRET; env | grep -c MLFLOW_TRACKING_AUTH; "
        'test -n "$MLFLOW_TRACKING_PASSWORD" && echo "it is $MLFLOW_TRACKING_PASSWORD of team_$MLFLOW_TRACKING_USERNAME"'
    )
    done = execute(mlx_process, "--pipeline", "exec-plain", "--", "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n") == ["0", "0", f"it is *** of team_{team.username}", ""]
    (run,) = team.admin.runs("exec-plain")
    assert run["info"]["status"] == "FINISHED"
    assert run["metrics"] == {"rmse": 0.5}
    assert team.password not in str(run)


def test_a_program_speaks_to_the_server_without_mlflow(team: MlflowServer, mlx_process: list[str]) -> None:
    code = """
import base64, json, os, urllib.request
pair = os.environ["MLFLOW_TRACKING_USERNAME"] + ":" + os.environ["MLFLOW_TRACKING_PASSWORD"]
body = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": "by-hand", "value": 2, "timestamp": 1}
urllib.request.urlopen(urllib.request.Request(
    os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/log-metric", json.dumps(body).encode(),
    {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode(), "Content-Type": "application/json"}))
print(pair)
"""
    done = execute(mlx_process, "--pipeline", "exec-rest", "--", "env", PYTHON, "-c", code)
    assert done.returncode == 0, done.stderr
    assert team.password not in done.stdout
    assert team.admin.runs("exec-rest")[0]["metrics"] == {"by-hand": 2}


def test_with_the_plugin_no_credential_of_the_tracker_is_in_the_environment(
    team: MlflowServer, mlx_process: list[str]
) -> None:
    Path("logs.py").write_text(LOGS + "\n")
    Path("check.py").write_text(
        "import os\nassert 'MLFLOW_TRACKING_PASSWORD' not in os.environ\n"
        "assert os.environ['MLFLOW_TRACKING_AUTH'] == 'mlx'\n" + LOGS
    )
    done = execute(
        mlx_process, "--pipeline", "exec-plugin", "--credentials", "plugin", "--", PYTHON, "check.py", "0"
    )
    assert done.returncode == 0, done.stderr
    assert team.admin.runs("exec-plugin")[0]["metrics"] == {"rmse": 0.5}


def test_with_the_plugin_the_environment_holds_what_the_tracker_needs_and_no_other_secret(
    team: MlflowServer, mlx_process: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLX_SECRET_OTHER__WORD", "unrelated-secret")
    monkeypatch.setenv("MLX_SECRET_SERVER__OTHER", "unrelated-secret")
    monkeypatch.setenv("MLX_SECRETS_BACKEND", "file")
    monkeypatch.setenv("MLX_KEYRING_PASSWORD", "master-password-canary")
    show = "import os; print(sorted(n for n in os.environ if n.startswith(('MLX_SECRET_', 'MLX_KEYRING'))))\n"
    Path("show.py").write_text(show + LOGS)

    def shown() -> str:
        done = execute(
            mlx_process, "--pipeline", "exec-few", "--credentials", "plugin", "--", PYTHON, "show.py", "0"
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert shown() == "['MLX_SECRET_SERVER__PASSWORD', 'MLX_SECRET_SERVER__USERNAME']\n"
    monkeypatch.delenv("MLX_SECRET_SERVER__PASSWORD")
    subprocess.run(
        [*mlx_process, "secret", "create", "server", "--password=-"],
        input=team.password,
        text=True,
        check=True,
    )
    assert shown() == "['MLX_KEYRING_PASSWORD', 'MLX_SECRET_SERVER__USERNAME']\n"
    assert [run["metrics"] for run in team.admin.runs("exec-few")] == [{"rmse": 0.5}] * 2


def test_this_python_uses_the_plugin_where_the_stores_need_nothing_from_the_environment(
    team: MlflowServer, mlx_process: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = Path("mlx.yaml").read_text().replace("<<server.username>>", team.username)
    Path("mlx.yaml").write_text(text.replace("<<server.password>>", team.password))
    for name in ("MLX_SECRET_SERVER__USERNAME", "MLX_SECRET_SERVER__PASSWORD"):
        monkeypatch.delenv(name)
    show = (
        "import os; print(os.environ.get('MLFLOW_TRACKING_AUTH'), 'MLFLOW_TRACKING_PASSWORD' in os.environ)"
    )
    assert execute(mlx_process, "--", PYTHON, "-c", show).stdout == "mlx False\n"
    assert execute(mlx_process, "--", "env", PYTHON, "-c", show).stdout == "None True\n"


def test_no_credential_is_in_the_arguments_of_any_process(team: MlflowServer, mlx_process: list[str]) -> None:
    done = execute(mlx_process, "--", "sh", "-c", "ps -eww -o args")
    assert done.returncode == 0
    assert "***" not in done.stdout
    assert os.fspath(team.password) not in done.stdout


def test_a_server_that_does_not_answer_is_said_before_the_program_starts(home: Path, mlx: Any) -> None:
    Path("mlx.yaml").write_text(
        "version: 1\ndefault_stack: s\nexperiment_trackers:\n  t: {flavor: mlflow, tracking_uri: 'http://127.0.0.1:1'}\n"
        "stacks:\n  s: {experiment_tracker: t}\n"
    )
    done = mlx("exec", "--", "touch", "was-started")
    assert done.code == 1
    assert "nothing listens" in done.stderr
    assert not Path("was-started").exists()
    assert Client().runs.list() == []
