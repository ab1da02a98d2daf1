"""What a run measured, told when it ends, and by the sweep when its process died."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from mlxkit.errors import UnreachableError
from mlxkit.integrations.mlflow.client_backend import ClientBackend
from mlxkit.runs.history import History
from mlxkit.runs.queries import RunQueries
from mlxkit.runs.records import RunRecord
from mlxkit.runs.sweep import sweep
from mlxkit.secrets.masking import register
from mlxkit.stacks.protocols import StepFacts, TrackerRun

from .conftest import Setting


def test_what_steps_and_their_children_measured_is_told_and_the_parent_counts(
    setting: Setting, pipeline_name: str
) -> None:
    import mlflow

    run = setting.open(pipeline_name, parameters={"lr": "0.01"})
    with run.step(StepFacts("fit", "s1")):
        mlflow.log_metric("loss", 3.0, step=1)
        mlflow.log_metric("loss", 0.5, step=2)
        for trial in range(4):
            with mlflow.start_run(nested=True):
                mlflow.log_metrics({"loss": 9.0 + trial, "only here": trial, "gone": math.nan})
                mlflow.log_param("depth", "3")
    metrics, params = run.measured()
    run.finish("completed")
    assert {key: metrics[key] for key in ("loss", "only here")} == {"loss": 0.5, "only here": 3.0}
    assert math.isnan(metrics["gone"])
    assert params == {"lr": "0.01", "depth": "3"}


def test_a_run_that_opened_nothing_asks_nobody(local: Setting) -> None:
    run = local.open("p", tracker=local.make(tracking_uri="http://127.0.0.1:9"))
    assert run.measured() == ({}, {})


def test_any_other_store_is_asked_through_the_client(local: Setting, pipeline_name: str) -> None:
    import mlflow

    run = local.open(pipeline_name)
    with run.step(StepFacts("fit", "s1")):
        mlflow.log_metric("loss", 0.5)
    run.finish("completed")
    backend = ClientBackend(local.tracker.connection, "file:///nowhere")
    run_id = local.told[0].run_id
    assert backend.measures([run_id, "0" * 32]) == {run_id: ({"loss": 0.5}, {})}


def test_a_secret_that_was_logged_as_a_param_stays_out_of_history(local: Setting, pipeline_name: str) -> None:
    import mlflow

    run = local.open(pipeline_name)
    with run.step(StepFacts("fit", "s1")):
        mlflow.log_param("note", "innocent-word-4711")
    register("innocent-word-4711")  # known as one only now
    assert run.measured()[1] == {"note": "***"}
    run.finish("completed")


def test_the_sweep_asks_for_what_a_dead_process_measured(
    setting: Setting, pipeline_name: str, tmp_path: Path
) -> None:
    import mlflow

    history = History(tmp_path / "state")
    history.begin_run(RunRecord("r1", "n", pipeline_name, "s", "running", 1.0), {}, "e")
    run = setting.open(pipeline_name)
    with run.step(StepFacts("fit", "s1")):
        mlflow.log_metric("loss", 0.5)
        with mlflow.start_run(nested=True):
            mlflow.log_metrics({"loss": 7.0, "inner": 1.0})
    for told in setting.told:
        history.add_tracker_run("r1", told)
    assert sweep(history, lambda name: setting.tracker) == ["r1"]
    assert RunQueries(history).metrics("r1") == {"inner": 1.0, "loss": 0.5}


def test_a_tracker_that_does_not_answer_raises(local: Setting) -> None:
    address = "http://127.0.0.1:9"
    with pytest.raises(UnreachableError):
        local.make(tracking_uri=address).measures_of(TrackerRun("team", address, "m1"))
