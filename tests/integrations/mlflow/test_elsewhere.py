"""User code that logs elsewhere, or outside of steps, is left alone; other processes find the run."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow
import pytest
from mlflow import active_run

from mlxkit.stacks.protocols import StepFacts

from .conftest import Setting


def test_steps_of_two_trackers_in_threads_take_turns(
    local: Setting, server: Setting, pipeline_name: str
) -> None:
    runs = [local.open(pipeline_name), server.open(pipeline_name)]

    def one(number: int) -> None:
        for attempt in range(3):
            with runs[number].step(StepFacts(f"s{attempt}", "s")):
                mlflow.log_metric(f"m{attempt}", number)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, range(2)))
    for run in runs:
        run.finish("completed")
    assert [setting.reader.runs(pipeline_name)[0]["metrics"] for setting in (local, server)] == [
        {"m0": 0, "m1": 0, "m2": 0},
        {"m0": 1, "m1": 1, "m2": 1},
    ]


def test_a_run_that_was_open_outside_of_the_step_is_not_written_to(
    local: Setting, pipeline_name: str, tmp_path: Path
) -> None:
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'outer.db'}")
    mlflow.set_experiment(experiment_id=mlflow.create_experiment("outer", artifact_location=str(tmp_path)))
    try:
        with mlflow.start_run() as outer:
            run = local.open(pipeline_name)
            with run.step(StepFacts("fit", "s1")):
                mlflow.log_metric("m", 1)
            run.finish("completed")
            assert active_run().info.run_id == outer.info.run_id
            mlflow.log_metric("outside", 2)
        assert mlflow.get_run(outer.info.run_id).data.metrics == {"outside": 2}
    finally:
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
        mlflow.tracking.fluent._active_experiment_id = None
        os.environ.pop("MLFLOW_EXPERIMENT_ID", None)
    assert local.reader.runs(pipeline_name)[0]["metrics"] == {"m": 1}


def test_user_code_that_points_mlflow_elsewhere_is_left_alone_and_told_so(
    local: Setting, pipeline_name: str, tmp_path: Path
) -> None:
    elsewhere = f"sqlite:///{tmp_path / 'other.db'}"
    run = local.open(pipeline_name)
    with pytest.warns(UserWarning, match="step 'fit' pointed MLflow at another address"):
        with run.step(StepFacts("fit", "s1")):
            mlflow.log_metric("ours", 1)
            mlflow.set_tracking_uri(elsewhere)
            mlflow.set_experiment(
                experiment_id=mlflow.create_experiment("other", artifact_location=str(tmp_path))
            )
            with mlflow.start_run() as theirs:
                mlflow.log_metric("theirs", 2)
    run.finish("completed")
    assert local.reader.runs(pipeline_name)[0]["metrics"] == {"ours": 1}
    assert mlflow.MlflowClient(elsewhere).get_run(theirs.info.run_id).data.metrics == {"theirs": 2}


def test_another_experiment_in_a_tracked_step_gets_a_run_of_its_own(
    local: Setting, pipeline_name: str
) -> None:
    run = local.open(pipeline_name)
    with run.step(StepFacts("fit", "s1")):
        mlflow.set_experiment("side")
        with mlflow.start_run():
            mlflow.log_metric("side", 1)
            mlflow.log_text("x", "x.txt")
        mlflow.log_metric("main", 1)
    run.finish("completed")
    [side], [main] = local.reader.runs("side"), local.reader.runs(pipeline_name)
    assert (side["metrics"], main["metrics"]) == ({"side": 1}, {"main": 1})
    assert side["tags"]["mlx.run_id"] == "r1"
    assert side["info"]["artifact_uri"].startswith((local.state_dir / "mlflow" / "artifacts").as_uri())


def test_an_untracked_step_s_run_goes_to_the_experiment_that_it_sets(
    local: Setting, pipeline_name: str
) -> None:
    run = local.open(pipeline_name)
    with run.step(StepFacts("fit", "s1", tracked=False)):
        mlflow.set_experiment("iris")
        mlflow.log_metric("m", 1)
    run.finish("completed")
    assert local.reader.runs(pipeline_name) == []
    [found] = local.reader.runs("iris")
    assert (found["info"]["run_name"], found["metrics"]) == (f"{pipeline_name}-1", {"m": 1})


def test_resuming_an_earlier_run_by_its_id_works(setting: Setting, pipeline_name: str) -> None:
    first = setting.open(pipeline_name)
    with first.step(StepFacts("fit", "s1")) as step:
        pass
    first.finish("completed")
    earlier = step.metadata()["mlflow_run_id"]
    run = setting.open(pipeline_name, run_id="r2", run_name="second")
    with run.step(StepFacts("evaluate", "s2")):
        with mlflow.start_run(run_id=earlier):
            mlflow.log_metric("late", 1)
        mlflow.log_metric("own", 1)
    run.finish("completed")
    one, two = setting.reader.runs(pipeline_name)
    assert (one["metrics"], two["metrics"]) == ({"late": 1}, {"own": 1})
    assert {one["info"]["status"], two["info"]["status"]} == {"FINISHED"}


def test_a_bare_call_after_the_step_does_what_it_does_without_mlx(
    server: Setting, pipeline_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = server.open(pipeline_name)
    with run.step(StepFacts("fit", "s1")):
        mlflow.log_metric("inside", 1)
    monkeypatch.chdir(tmp_path)
    assert active_run() is None
    mlflow.log_metric("outside", 2)
    bare = active_run()
    mlflow.end_run()
    assert mlflow.get_tracking_uri() == f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert mlflow.get_run(bare.info.run_id).data.metrics == {"outside": 2}
    run.finish("completed")
    assert [found["metrics"] for found in server.reader.runs(pipeline_name)] == [{"inside": 1}]
    (tmp_path / "mlflow.db").rename(tmp_path / "bare.db")


def test_a_process_that_a_step_starts_logs_to_its_run(local: Setting, pipeline_name: str) -> None:
    code = "import mlflow\nwith mlflow.start_run():\n    mlflow.log_metric('from_child', 1)\n"
    run = local.open(pipeline_name)
    with run.step(StepFacts("fit", "s1")):
        subprocess.run([sys.executable, "-c", code], check=True, timeout=120, capture_output=True)
    run.finish("failed")
    [found] = local.reader.runs(pipeline_name)
    assert (found["metrics"], found["info"]["status"]) == ({"from_child": 1}, "FAILED")
