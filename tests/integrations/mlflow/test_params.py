"""Params that are logged with different values: MLflow refuses that within a run, and a pipeline must not break on it."""

from __future__ import annotations

import mlflow
import pytest

from mlxkit.stacks.protocols import StepFacts

from .conftest import Setting


def test_two_steps_log_one_param_with_different_values(setting: Setting, pipeline_name: str) -> None:
    run = setting.open(pipeline_name)
    for name, rate in (("coarse", 0.1), ("fine", 0.01)):
        with run.step(StepFacts(name, name)):
            mlflow.log_param("lr", rate)
            mlflow.log_param("seed", 1)
    run.finish("completed")
    [found] = setting.reader.runs(pipeline_name)
    assert found["params"] == {"lr": "0.1", "fine.lr": "0.01", "seed": "1"}


def test_a_batch_keeps_what_is_not_in_conflict(setting: Setting, pipeline_name: str) -> None:
    run = setting.open(pipeline_name, parameters={"lr": "0.5"})
    with run.step(StepFacts("fit", "s1")):
        mlflow.log_params({"lr": 0.1, "depth": 3, "seed": 1})
        mlflow.MlflowClient().log_batch(
            mlflow.active_run().info.run_id,
            metrics=[mlflow.entities.Metric("m", 1.0, 1, 0)],
            params=[mlflow.entities.Param("depth", "3"), mlflow.entities.Param("trees", "10")],
            tags=[mlflow.entities.RunTag("t", "v")],
        )
    run.finish("completed")
    [found] = setting.reader.runs(pipeline_name)
    assert found["params"] == {"lr": "0.5", "fit.lr": "0.1", "depth": "3", "seed": "1", "trees": "10"}
    assert (found["metrics"], found["tags"]["t"]) == ({"m": 1.0}, "v")


@pytest.mark.parametrize("call", ["log_param", "log_params"])
def test_a_retried_step_logs_another_value_and_both_can_be_seen(
    setting: Setting, pipeline_name: str, call: str
) -> None:
    run = setting.open(pipeline_name)
    for attempt in (1, 2, 3):
        with pytest.raises(ValueError, match="no luck"):
            with run.step(StepFacts("fit", "s1", attempt=attempt)):
                if call == "log_param":
                    mlflow.log_param("seed", attempt)
                else:
                    mlflow.log_params({"seed": attempt, "lr": 0.1})
                raise ValueError("no luck")
    run.finish("failed")
    [found] = setting.reader.runs(pipeline_name)
    others = {} if call == "log_param" else {"lr": "0.1"}
    assert found["params"] == {"seed": "1", "fit.attempt-2.seed": "2", "fit.attempt-3.seed": "3", **others}
    assert found["tags"]["mlx.attempts.fit"] == "3"


@pytest.mark.parametrize("call", ["log_param", "log_params"])
def test_a_step_that_contradicts_itself_is_refused_as_in_mlflow(
    setting: Setting, pipeline_name: str, call: str
) -> None:
    run = setting.open(pipeline_name)
    with run.step(StepFacts("fit", "s1")):
        for value, is_refused in ((1, False), (1, False), (2, True)):
            write = getattr(mlflow, call)
            arguments = ("seed", value) if call == "log_param" else ({"seed": value},)
            if is_refused:
                with pytest.raises(mlflow.MlflowException, match="Changing param values is not allowed"):
                    write(*arguments)
            else:
                write(*arguments)
    run.finish("completed")
    assert setting.reader.runs(pipeline_name)[0]["params"] == {"seed": "1"}


def test_params_logged_in_the_background_get_their_own_names_too(local: Setting, pipeline_name: str) -> None:
    run = local.open(pipeline_name)
    for name in ("one", "two"):
        with run.step(StepFacts(name, name)):
            mlflow.log_param("who", name, synchronous=False)
    run.finish("completed")
    assert local.reader.runs(pipeline_name)[0]["params"] == {"who": "one", "two.who": "two"}


def test_a_child_run_of_user_code_follows_mlflow_s_own_rules(local: Setting, pipeline_name: str) -> None:
    run = local.open(pipeline_name)
    with run.step(StepFacts("fit", "s1")):
        mlflow.log_param("lr", 1)
        with mlflow.start_run(nested=True):
            mlflow.log_param("lr", 2)
            with pytest.raises(mlflow.MlflowException, match="Changing param values"):
                mlflow.log_param("lr", 3)
    run.finish("completed")
    parent, child = local.reader.runs(pipeline_name)
    assert (parent["params"], child["params"]) == ({"lr": "1"}, {"lr": "2"})


def test_another_refusal_of_mlflow_s_comes_through(setting: Setting, pipeline_name: str) -> None:
    run = setting.open(pipeline_name)
    with run.step(StepFacts("fit", "s1")):
        with pytest.raises(mlflow.MlflowException, match="Invalid value"):
            mlflow.log_param("not!allowed?", 1)
    run.finish("completed")
    assert setting.reader.runs(pipeline_name)[0]["params"] == {}
