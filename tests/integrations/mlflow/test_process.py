"""Whole processes: what they import, what they print, and how their runs end whatever ends them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mlxkit.stacks.protocols import TrackerRun
from tests.fixtures.mlflow_server import MlflowServer

from .conftest import Setting

BEGIN = """
import os, sys
from pathlib import Path
from mlxkit.integrations.mlflow.tracker import MlflowTracker
from mlxkit.secrets.value import SecretValue
from mlxkit.stacks.protocols import RunFacts, StepFacts
from mlxkit.stacks.resolve import ResolvedComponent

given = sys.stdin.read().split()
keys = ("tracking_uri", "tracking_username", "tracking_password")
attributes = {key: value if key == "tracking_uri" else SecretValue(value) for key, value in zip(keys, given)}
tracker = MlflowTracker(ResolvedComponent("experiment_tracker", "team", "mlflow", attributes), Path(sys.argv[1]))
run = tracker.open(RunFacts("r1", "first", sys.argv[2], "default"), lambda run: None)
"""


def start(setting: Setting, pipeline: str, code: str, **environment: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", BEGIN + code, str(setting.state_dir), pipeline],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment},
    )  # fmt: skip
    assert process.stdin is not None
    if setting.scenario == "server":
        uri, user, password = (
            setting.attributes[key] for key in ("tracking_uri", "tracking_username", "tracking_password")
        )
        process.stdin.write(f"{uri} {user.reveal()} {password.reveal()}")
    process.stdin.close()
    process.stdin = None
    return process


def finished(setting: Setting, pipeline: str, code: str, **environment: str) -> tuple[int, str, str]:
    process = start(setting, pipeline, code, **environment)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def test_a_step_that_imports_mlflow_itself_finds_its_run(setting: Setting, pipeline_name: str) -> None:
    code = """
assert "mlflow" not in sys.modules
before = dict(os.environ)
with run.step(StepFacts("fit", "s1", tracked=False)) as step:
    assert "mlflow" not in sys.modules
    from mlflow import log_metric, active_run
    log_metric("m", 1)
    assert active_run().info.run_id == step.metadata()["mlflow_run_id"]
import mlflow
assert mlflow.active_run() is None
assert {k: v for k, v in os.environ.items() if "MLFLOW" in k} == {k: v for k, v in before.items() if "MLFLOW" in k}
run.finish("completed")
"""
    assert finished(setting, pipeline_name, code) == (0, "", "")
    [found] = setting.reader.runs(pipeline_name)
    assert (found["metrics"], found["info"]["status"]) == ({"m": 1}, "FINISHED")


def test_nothing_is_told_of_the_use_of_mlflow_during_a_step_also_when_it_was_imported_before(
    setting: Setting, pipeline_name: str
) -> None:
    code = """
os.environ.pop("MLFLOW_DISABLE_TELEMETRY")
for name in [name for name in os.environ if "PYTEST" in name or name == "CI"]:
    del os.environ[name]
import mlflow
from mlflow.telemetry.client import get_telemetry_client as client
before = client()
with run.step(StepFacts("fit", "s1", tracked=True)):
    print("during", client())
print("after", client() is before is not None)
"""
    status, out, err = finished(setting, pipeline_name, code)
    assert status == 0, err
    assert "during None" in out and "after True" in out


def test_steps_that_never_touch_mlflow_do_not_import_it(setting: Setting, pipeline_name: str) -> None:
    code = """
tracker.preflight()
for number in range(20):
    with run.step(StepFacts(f"s{number}", "s", tracked=False)):
        pass
run.finish("completed")
assert not {"mlflow", "sqlalchemy", "requests", "pandas", "numpy"} & set(sys.modules)
"""
    assert finished(setting, pipeline_name, code) == (0, "", "")
    assert setting.reader.runs(pipeline_name) == []


def test_a_tracked_step_on_a_server_is_written_without_importing_mlflow(
    server: Setting, pipeline_name: str
) -> None:
    code = """
with run.step(StepFacts("fit", "s1", settings={"nested": True, "tags": {"a": "b"}})) as step:
    pass
run.cached(StepFacts("load", "s2"), step.metadata())
run.finish("completed")
assert not {"mlflow", "requests"} & set(sys.modules)
"""
    assert finished(server, pipeline_name, code) == (0, "", "")
    assert [found["info"]["status"] for found in server.reader.runs(pipeline_name)] == [
        "FINISHED",
        "FINISHED",
    ]


def test_mlflow_says_nothing_on_either_stream(
    tmp_path: Path, mlflow_server: MlflowServer, server: Setting, pipeline_name: str
) -> None:
    code = """
with run.step(StepFacts("fit", "s1")):
    import mlflow
    with mlflow.start_run(run_name="x"):
        mlflow.log_metric("m", 1)
    with mlflow.start_run(nested=True):
        mlflow.log_text("x", "x.txt")
    mlflow.set_experiment("another-" + sys.argv[2])
import logging
assert logging.getLogger("mlflow").level == logging.INFO
assert mlflow.telemetry.get_telemetry_client() is None
run.finish("completed")
"""
    agent = {"CLAUDECODE": "1", "AI_AGENT": "1"}
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_DISABLE_TELEMETRY")
        fresh = Setting("local", tmp_path / "fresh" / ".mlx", server.reader, {})
        assert finished(fresh, pipeline_name, code, **agent) == (0, "", "")
        assert finished(server, pipeline_name, code, **agent) == (0, "", "")


@pytest.mark.parametrize(
    ("ending", "status", "code"),
    [
        ("sys.exit(3)", "failed", 3),
        ("raise KeyboardInterrupt", "killed", -2),
        ("sys.exit(0)", "completed", 0),
    ],
)
def test_mlflow_at_the_end_of_the_process_does_not_change_the_status(
    local: Setting, pipeline_name: str, ending: str, status: str, code: int
) -> None:
    script = f"""
import mlflow
try:
    with run.step(StepFacts("fit", "s1")):
        mlflow.start_run()
        mlflow.start_run(nested=True)
        {ending}
finally:
    run.finish({status!r})
"""
    assert finished(local, pipeline_name, script)[0] == code
    expected = {"failed": "FAILED", "killed": "KILLED", "completed": "FINISHED"}[status]
    assert [found["info"]["status"] for found in local.reader.runs(pipeline_name)] == [expected, expected]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_process_leaves_orphans_that_the_sweep_closes(
    setting: Setting, pipeline_name: str, how: signal.Signals
) -> None:
    script = """
import time, mlflow
with run.step(StepFacts("fit", "s1")):
    with mlflow.start_run(nested=True):
        mlflow.log_metric("m", 1)
        print("ready", flush=True)
        time.sleep(600)
"""
    process = start(setting, pipeline_name, script)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(how)
    process.communicate(timeout=60)
    left = setting.reader.runs(pipeline_name)
    assert [found["info"]["status"] for found in left] == ["RUNNING", "RUNNING"]
    for found in left:
        orphan = TrackerRun("team", setting.tracker.connection.shown_uri, found["info"]["run_id"])
        assert setting.make().close_orphan(orphan, "killed")
    assert [found["info"]["status"] for found in setting.reader.runs(pipeline_name)] == ["KILLED", "KILLED"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_worker_of_a_step_logs_to_its_run(setting: Setting, pipeline_name: str) -> None:
    script = """
import multiprocessing, mlflow

def work(number):
    mlflow.log_metric(f"m{number}", number)

with run.step(StepFacts("fit", "s1")):
    workers = [multiprocessing.get_context("fork").Process(target=work, args=(number,)) for number in range(3)]
    [worker.start() for worker in workers]
    [worker.join() for worker in workers]
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    mlflow.log_metric("own", 1)
run.finish("completed")
"""
    code, _, err = finished(setting, pipeline_name, script)
    assert code == 0, err
    [found] = setting.reader.runs(pipeline_name)
    assert found["metrics"] == {"m0": 0, "m1": 1, "m2": 2, "own": 1}
    assert found["info"]["status"] == "FINISHED"


def test_mlflow_s_own_retries_are_four_unless_the_user_said_otherwise(
    local: Setting, pipeline_name: str
) -> None:
    script = """
with run.step(StepFacts("fit", "s1", tracked=False)):
    print(os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"])
os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "9"
with run.step(StepFacts("fit", "s2", tracked=False)):
    print(os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"])
print(os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"])
"""
    assert finished(local, pipeline_name, script) == (0, "4\n9\n9\n", "")


PSUTIL = """
from types import SimpleNamespace as Numbers
def cpu_percent(): return 12.0
def virtual_memory(): return Numbers(used=1e9, total=2e9, percent=50.0)
def disk_usage(path): return Numbers(percent=10.0, used=1e9, total=2e9, free=1e9)
def net_io_counters(): return Numbers(bytes_sent=1e6, bytes_recv=1e6)
"""


def test_system_metrics_are_logged_for_every_step_when_mlflow_was_told_to(
    local: Setting, pipeline_name: str, tmp_path: Path
) -> None:
    (tmp_path / "psutil.py").write_text(PSUTIL)
    script = """
import mlflow, time
mlflow.enable_system_metrics_logging()
mlflow.set_system_metrics_sampling_interval(0.05)
seen = set()
for name in ("one", "two"):
    with run.step(StepFacts(name, name)) as step:
        mlflow.log_metric("m", 1)
        deadline = time.monotonic() + 60
        history = lambda: mlflow.MlflowClient().get_metric_history(step.run_id, "system/cpu_utilization_percentage")
        while len(history()) <= len(seen) and time.monotonic() < deadline:
            time.sleep(0.05)
        steps = {point.step for point in history()}
    assert steps > seen, (steps, seen)
    seen = {point.step for point in mlflow.MlflowClient(tracker.connection.tracking_uri).get_metric_history(
        step.run_id, "system/cpu_utilization_percentage")}
run.finish("completed")
assert len(seen) >= 2
"""
    code, out, err = finished(local, pipeline_name, script, PYTHONPATH=str(tmp_path))
    assert (code, out, err) == (0, "", "")
    [found] = local.reader.runs(pipeline_name)
    assert found["metrics"]["system/cpu_utilization_percentage"] == 12.0


def test_system_metrics_that_cannot_be_logged_are_a_warning(
    local: Setting, pipeline_name: str, tmp_path: Path
) -> None:
    (tmp_path / "psutil.py").write_text("raise ImportError('no psutil here')")
    script = """
import mlflow
with run.step(StepFacts("fit", "s1")):
    with mlflow.start_run(log_system_metrics=True):
        mlflow.log_metric("m", 1)
run.finish("completed")
"""
    code, _, err = finished(local, pipeline_name, script, PYTHONPATH=str(tmp_path))
    assert code == 0, err
    assert "system metrics are not logged" in err
    assert local.reader.runs(pipeline_name)[0]["metrics"] == {"m": 1}
