"""Detached runs on a real cluster: submitted, followed, cancelled, and what is said when something is in the way."""

from __future__ import annotations

import json
import textwrap
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlxkit import Client
from mlxkit.errors import ExitCode
from mlxkit.integrations.ray.jobs import RayJobs
from mlxkit.integrations.ray.settings import RaySettings
from mlxkit.runs.detached.place import Place
from mlxkit.runs.history import History
from mlxkit.runs.records import RunRecord
from mlxkit.secrets.value import SecretValue
from tests.conftest import Result
from tests.fixtures.ray_cluster import CANARY, PATIENCE, RayCluster, files_below

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
  here: {{flavor: ray, address: auto}}
artifact_stores:
  outside: {{flavor: local, path: "{outside}"}}
experiment_trackers:
  server: {{flavor: mlflow, tracking_uri: "https://mlflow.invalid", tracking_username: me, tracking_password: "<<nobody.password>>"}}
stacks:
  cluster: {{orchestrator: cluster}}
  here: {{orchestrator: here}}
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
    with urllib.request.urlopen(f"{cluster.dashboard}{path}", timeout=PATIENCE) as answer:
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
    files = files_below(ray_cluster.folder, lab.parent)
    assert [path for path, content in files if CANARY.encode() in content] == []
    cancelled = mlx("runs", "cancel", run_id)
    assert (cancelled.code, "had ended already: completed" in cancelled.stderr) == (0, True)


def test_a_step_that_fails_in_a_job_is_told_as_one_that_fails_here(
    mlx: Mlx, lab: Path, ray_cluster: RayCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", ray_cluster.address)  # the cluster that `auto` means
    run_id = _submitted(mlx, "p.py:broken", "--name", "doomed", "--stack", "here")
    followed = mlx("runs", "logs", run_id, "-f")
    assert "before the fall" in followed.stdout
    found = _described(mlx, "doomed")
    assert (found["id"], found["status"]) == (run_id, "failed")
    assert found["metadata"]["detached"]["address"] == ray_cluster.dashboard
    assert found["error"] == "step fail failed"
    step = found["steps"][-1]
    assert (step["name"], step["status"]) == ("fail", "failed")
    assert "ValueError: no sum today" in step["error"]
    assert "p.py" in step["error"]


def test_a_secret_that_the_cluster_has_not_is_named_as_ever(
    mlx: Mlx, lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLX_SECRET_NOBODY__PASSWORD", "only-this-machine-knows")
    result = mlx("run", "--detach", "p.py:train", "--stack", "locked")
    assert result.code == 0, result.stderr
    assert "the cluster has to resolve <<nobody.password>>" in result.stderr
    run_id = result.stdout.strip()
    mlx("runs", "logs", run_id, "-f")
    found = _described(mlx, run_id)
    assert found["status"] == "failed"
    assert f"run {found['name']} submitted" in result.stderr
    assert "no secret named 'nobody'" in found["error"]
    assert found["steps"] == []
    written = b"".join(path.read_bytes() for path in (lab / ".mlx").rglob("*") if path.is_file())
    assert b"only-this-machine-knows" not in written


def test_a_job_is_stopped_and_its_run_is_killed(mlx: Mlx, lab: Path) -> None:
    run_id = _submitted(mlx, "p.py:slow")
    _wait_for(lambda: "waiting" in mlx("runs", "logs", run_id).stdout)
    running = mlx("runs", "delete", run_id, "--yes")
    assert running.code == ExitCode.failed
    assert "is going on" in running.stderr
    result = mlx("runs", "cancel", run_id)
    assert result.code == 0, result.stderr
    found = _described(mlx, run_id)
    assert found["status"] == "killed"
    assert [(step["name"], step["status"]) for step in found["steps"]] == [("wait", "killed")]


@pytest.mark.parametrize(
    ("address", "token", "is_said"),
    [
        ("http://far:8265", "t0ken", True),
        ("http://far:8265", None, False),
        ("https://far", "t0ken", False),
        ("http://127.0.0.1:8265", "t0ken", False),
    ],
)
def test_a_token_that_can_be_read_on_the_way_is_said(address: str, token: str | None, is_said: bool) -> None:
    settings = RaySettings("cluster", address, auth_token=SecretValue(token) if token else None)
    warning = RayJobs(address, settings, {}).warning
    assert ("'cluster' goes to http://far:8265 without TLS" in warning) is is_said
    assert "t0ken" not in warning


def test_a_run_on_another_machine_comes_back_over_the_store(
    mlx: Mlx, lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state folder is not handed over, as to a cluster elsewhere: all there is in common is the store."""
    monkeypatch.setattr("mlxkit.integrations.ray.jobs.RayJobs.is_here", False)
    with monkeypatch.context() as broken:  # after everything was found to be in order
        broken.setattr("tempfile.tempdir", str(lab / "none"))
        assert mlx("run", "--detach", "p.py:train", "--stack", "outside").code == ExitCode.failed
    assert not [path for path in (lab.parent / "outside").rglob("*") if path.is_file()]
    run_id = _submitted(mlx, "p.py:train", "--stack", "outside", "--no-cache")
    followed = mlx("runs", "logs", run_id, "-f")
    assert "loading 3" in followed.stdout
    assert "the password is ***" in followed.stdout
    found = _described(mlx, run_id)
    assert (found["status"], found["parameters"]) == ("completed", {"n": 3}), found["error"]
    assert [step["name"] for step in found["steps"]] == ["load", "total"]
    assert Client().get_run(run_id).get_step("total").output.load() == 6
    assert found["environment"]["distributions"]
    assert list(Client().store_of(run_id).entries(f"runs/{run_id}/")) == []  # type: ignore[attr-defined]
    logs = [path.name for path in (lab / ".mlx" / "logs" / run_id).iterdir()]
    assert sorted(logs) == ["00000-load.log", "00001-total.log"]


def test_what_nobody_can_be_asked_about_is_unknown_until_it_is_given_up(
    mlx: Mlx, lab: Path, ray_cluster: RayCluster
) -> None:
    gone = _noted(lab, ray_cluster.dashboard.replace("127.0.0.1", "127.0.0.2").rpartition(":")[0] + ":1")
    assert _status(mlx, gone) == "running"  # no network, and no process of this machine has to hold it
    described = mlx("runs", "describe", gone)
    assert described.code == 0
    assert "unknown how run" in described.stderr
    assert "does not answer" in described.stderr
    listed = mlx("runs", "list", "--refresh")
    assert (listed.code, "unknown how run" in listed.stderr) == (0, True)
    unsaid = mlx("runs", "cancel", gone)
    assert unsaid.code == ExitCode.usage
    assert "--yes" in unsaid.stderr
    result = mlx("runs", "cancel", gone, "--yes")
    assert result.code == 0, result.stderr
    assert "is interrupted" in result.stderr


def test_a_job_that_the_cluster_does_not_know_is_interrupted(
    mlx: Mlx, lab: Path, ray_cluster: RayCluster
) -> None:
    run_id = _noted(lab, ray_cluster.dashboard)
    found = _described(mlx, run_id)
    assert found["status"] == "interrupted"
    assert "is gone" in found["error"]


def test_a_cluster_that_is_down_takes_no_run_and_leaves_none(
    mlx: Mlx, lab: Path, ray_cluster: RayCluster
) -> None:
    config = lab / "mlx.yaml"
    config.write_text(config.read_text().replace(ray_cluster.dashboard, "http://127.0.0.1:1"))
    result = mlx("run", "--detach", "p.py:train")
    assert result.code == ExitCode.failed
    assert "does not answer" in result.stderr
    assert json.loads(mlx("runs", "list", "-o", "json").stdout) == []


def _noted(lab: Path, address: str) -> str:
    """Write a detached run into history that some cluster is to have."""
    history = History(lab / ".mlx")
    place = Place("r1", "mlx-r1", address, "cluster", "cluster", is_here=True)
    history.begin_run(RunRecord("r1", "lost", "p", "cluster", "running", 1.0, metadata=place.noted()), {}, "")
    history.close()
    return "r1"


def _wait_for(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.2)
