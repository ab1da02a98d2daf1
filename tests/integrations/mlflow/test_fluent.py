"""User code's own calls of MLflow inside a step find the step's run."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

# Bound before any step runs, as in `from mlflow import start_run` at the top of a pipeline file.
import mlflow
import pytest
from mlflow import active_run, log_metric, start_run

from mlxkit.stacks.protocols import StepFacts

from .conftest import Setting


def test_calls_that_were_imported_by_name_before_the_step_find_its_run(
    local: Setting, pipeline_name: str
) -> None:
    run = local.open(pipeline_name)
    with run.step(StepFacts("fit", "s1")) as step:
        found = active_run()
        assert found is not None and found.info.run_id == step.metadata()["mlflow_run_id"]
        with start_run() as joined:
            assert joined.info.run_id == found.info.run_id
        log_metric("m", 1)
    run.finish("completed")
    [found] = local.reader.runs(pipeline_name)
    assert found["metrics"] == {"m": 1}


def test_start_run_in_a_step_joins_its_run_and_does_not_end_it(setting: Setting, pipeline_name: str) -> None:
    run = setting.open(pipeline_name)
    with run.step(StepFacts("fit", "s1")):
        with mlflow.start_run(run_name="rf", tags={"kind": "forest"}, description="first try"):
            mlflow.log_param("trees", 10)
        assert setting.reader.runs(pipeline_name)[0]["info"]["status"] == "RUNNING"
        mlflow.log_metric("after", 1)
        mlflow.end_run()
        mlflow.log_metric("after_end_run", 2)
    run.finish("completed")
    [found] = setting.reader.runs(pipeline_name)
    assert found["info"]["status"] == "FINISHED"
    assert found["info"]["run_name"] == f"{pipeline_name}-1"
    assert (found["params"], found["metrics"]) == ({"trees": "10"}, {"after": 1, "after_end_run": 2})
    assert (found["tags"]["kind"], found["tags"]["mlflow.note.content"]) == ("forest", "first try")
    assert found["tags"]["mlx.start_run.fit"] == "rf"


def test_an_exception_in_a_with_block_that_is_caught_in_the_step_does_not_fail_the_run(
    local: Setting, pipeline_name: str
) -> None:
    run = local.open(pipeline_name)
    with run.step(StepFacts("fit", "s1")):
        with pytest.raises(ValueError, match="caught"):
            with mlflow.start_run():
                raise ValueError("caught")
    run.finish("completed")
    assert [found["info"]["status"] for found in local.reader.runs(pipeline_name)] == ["FINISHED"]


def test_start_run_nested_makes_a_child_that_user_code_ends(setting: Setting, pipeline_name: str) -> None:
    run = setting.open(pipeline_name)
    with run.step(StepFacts("fit", "s1")):
        with mlflow.start_run(nested=True, run_name="inner"):
            mlflow.log_metric("inner", 1)
            with mlflow.start_run(nested=True, run_name="innermost"):
                mlflow.log_metric("innermost", 1)
        mlflow.log_metric("outer", 1)
    run.finish("failed")
    parent, inner, innermost = setting.reader.runs(pipeline_name)
    assert inner["tags"]["mlflow.parentRunId"] == parent["info"]["run_id"]
    assert innermost["tags"]["mlflow.parentRunId"] == inner["info"]["run_id"]
    assert [found["metrics"] for found in (parent, inner, innermost)] == [
        {"outer": 1},
        {"inner": 1},
        {"innermost": 1},
    ]
    assert [found["info"]["status"] for found in (parent, inner, innermost)] == [
        "FAILED",
        "FINISHED",
        "FINISHED",
    ]
    assert (inner["tags"]["mlx.run_id"], inner["tags"]["mlx.step"]) == ("r1", "fit")


def test_a_second_start_run_in_a_step_is_a_run_under_ours(local: Setting, pipeline_name: str) -> None:
    run = local.open(pipeline_name)
    with run.step(StepFacts("fit", "s1")):
        for depth in (1, 2, 3):
            with mlflow.start_run(run_name=f"depth-{depth}"):
                mlflow.log_param("depth", depth)
    run.finish("completed")
    first, second, third = local.reader.runs(pipeline_name)
    assert [found["params"]["depth"] for found in (first, second, third)] == ["1", "2", "3"]
    assert [found["info"]["run_name"] for found in (second, third)] == ["depth-2", "depth-3"]
    assert {found["tags"]["mlflow.parentRunId"] for found in (second, third)} == {first["info"]["run_id"]}
    assert {found["tags"]["mlx.run_id"] for found in (first, second, third)} == {"r1"}


def test_starting_a_run_over_one_that_user_code_has_open_is_refused_as_in_mlflow(
    local: Setting, pipeline_name: str
) -> None:
    run = local.open(pipeline_name)
    with run.step(StepFacts("fit", "s1")):
        with mlflow.start_run(nested=True):
            with pytest.raises(Exception, match="is already active"):
                mlflow.start_run()
    run.finish("completed")


def test_runs_that_user_code_never_ended_end_with_the_step(setting: Setting, pipeline_name: str) -> None:
    run = setting.open(pipeline_name)
    with pytest.raises(ValueError, match="oops"):
        with run.step(StepFacts("fit", "s1")):
            mlflow.start_run(nested=True, run_name="forgotten")
            thread = threading.Thread(target=lambda: mlflow.start_run(nested=True, run_name="in a thread"))
            thread.start()
            thread.join()
            raise ValueError("oops")
    run.finish("failed")
    assert {
        found["info"]["run_name"]: found["info"]["status"] for found in setting.reader.runs(pipeline_name)
    } == {
        f"{pipeline_name}-1": "FAILED",
        "forgotten": "FAILED",
        "in a thread": "FAILED",
    }


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (KeyboardInterrupt(), "KILLED"),
        (ValueError(), "FAILED"),
        (SystemExit(0), "FINISHED"),
        (SystemExit(2), "FAILED"),
    ],
)
def test_a_with_block_of_user_code_ends_its_run_as_it_ended(
    local: Setting, pipeline_name: str, error: BaseException, expected: str
) -> None:
    run = local.open(pipeline_name)
    with pytest.raises(type(error)):
        with run.step(StepFacts("fit", "s1")), mlflow.start_run(nested=True):
            raise error
    run.finish("completed")
    assert [found["info"]["status"] for found in local.reader.runs(pipeline_name)] == ["FINISHED", expected]


def test_threads_of_a_step_log_to_its_run_and_leave_no_stray_one(
    setting: Setting, pipeline_name: str
) -> None:
    def work(number: int) -> None:
        mlflow.log_metric(f"m{number}", number)
        mlflow.log_param(f"p{number}", number)
        assert mlflow.active_run() is not None

    run = setting.open(pipeline_name)
    with run.step(StepFacts("fit", "s1")):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(8)))
    run.finish("completed")
    [found] = setting.reader.runs(pipeline_name)
    assert found["metrics"] == {f"m{number}": number for number in range(8)}
    assert found["params"] == {f"p{number}": str(number) for number in range(8)}


def test_steps_in_threads_have_each_their_own_child_run(local: Setting, pipeline_name: str) -> None:
    run = local.open(pipeline_name)
    gate = threading.Barrier(4)

    def one(number: int) -> None:
        with run.step(StepFacts(f"step-{number}", f"s{number}", settings={"nested": True})):
            gate.wait(30)
            mlflow.log_param("number", number)
            gate.wait(30)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(4)))
    run.finish("completed")
    parent, *children = local.reader.runs(pipeline_name)
    assert {child["info"]["run_name"]: child["params"]["number"] for child in children} == {
        f"step-{n}": str(n) for n in range(4)
    }
    assert {child["tags"]["mlflow.parentRunId"] for child in children} == {parent["info"]["run_id"]}
    assert {found["info"]["status"] for found in (parent, *children)} == {"FINISHED"}


def test_the_error_of_a_step_is_told_although_the_tracker_fails_too(
    local: Setting, pipeline_name: str
) -> None:
    run = local.open(pipeline_name, kind="script")
    backend: Any = local.tracker._backend
    backend.create_run = lambda *_: 1 / 0
    with pytest.raises(KeyboardInterrupt):
        with run.step(StepFacts("script", "s1")):
            raise KeyboardInterrupt
    with pytest.raises(ZeroDivisionError):
        with run.step(StepFacts("script", "s1")):
            pass
