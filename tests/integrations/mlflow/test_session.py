"""What a pipeline run looks like in MLflow, on a local store and on a server."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mlxkit.errors import ConfigError
from mlxkit.mlflow import MLFlowExperimentTrackerSettings
from mlxkit.pipelines.settings import as_mapping
from mlxkit.secrets.value import SecretValue
from mlxkit.stacks.protocols import RunFacts, StepFacts, TrackerRun

from .conftest import Setting


def test_tracked_steps_share_one_run_named_and_tagged_after_the_pipeline_run(
    setting: Setting, pipeline_name: str
) -> None:
    import mlflow

    run = setting.open(
        pipeline_name, parameters={"lr": "0.01"}, tags={"mlx.git_commit": "abc", "mlx.version": "1"}
    )
    with run.step(StepFacts("load", "s1")):
        mlflow.log_metric("rows", 10)
    with run.step(StepFacts("fit", "s2")) as step:
        mlflow.log_param("depth", 3)
        mlflow.log_metric("accuracy", 0.95)
    run.finish("completed")
    [found] = setting.reader.runs(pipeline_name)
    assert found["info"]["status"] == "FINISHED"
    assert found["info"]["run_name"] == f"{pipeline_name}-1"
    assert found["params"] == {"lr": "0.01", "depth": "3"}
    assert found["metrics"] == {"rows": 10, "accuracy": 0.95}
    tags = found["tags"]
    assert {tags["mlx.run_id"], tags["mlx.pipeline"], tags["mlx.stack"]} == {"r1", pipeline_name, "default"}
    assert (tags["mlx.git_commit"], tags["mlflow.source.git.commit"], tags["mlx.version"]) == (
        "abc",
        "abc",
        "1",
    )
    assert tags["mlx.pid"] and tags["mlx.host"] and tags["mlflow.user"]
    assert step.metadata()["mlflow_run_id"] == found["info"]["run_id"]


def test_the_link_of_a_step_is_the_page_of_its_run(setting: Setting, pipeline_name: str) -> None:
    run = setting.open(pipeline_name)
    with run.step(StepFacts("fit", "s1")) as step:
        pass
    run.finish("completed")
    found = step.metadata()
    page = re.fullmatch(
        r"http://127\.0\.0\.1:\d+/#/experiments/(\d+)/runs/(\w{32})", found["experiment_tracker_url"]
    )
    assert page is not None
    assert page.groups() == (found["mlflow_experiment_id"], found["mlflow_run_id"])


def test_nothing_is_written_for_a_run_without_tracked_steps(setting: Setting, pipeline_name: str) -> None:
    run = setting.open(pipeline_name)
    with run.step(StepFacts("fit", "s1", tracked=False)) as step:
        pass
    run.finish("completed")
    assert setting.reader.runs(pipeline_name) == []
    assert step.metadata() == {}
    assert setting.told == []


@pytest.mark.parametrize("touch", ["log_metric", "start_run", "active_run", "set_tag"])
def test_an_untracked_step_that_touches_mlflow_is_tracked(
    local: Setting, pipeline_name: str, touch: str
) -> None:
    import mlflow

    arguments: dict[str, tuple[Any, ...]] = {"log_metric": ("m", 1), "set_tag": ("t", "v")}
    run = local.open(pipeline_name)
    with run.step(StepFacts("fit", "s1", tracked=False)) as step:
        getattr(mlflow, touch)(*arguments.get(touch, ()))
    run.finish("completed")
    [found] = local.reader.runs(pipeline_name)
    assert found["info"]["status"] == "FINISHED"
    assert step.metadata()["mlflow_run_id"] == found["info"]["run_id"]


def test_a_nested_step_has_a_child_run_with_the_step_s_own_tags(setting: Setting, pipeline_name: str) -> None:
    import mlflow

    settings = as_mapping(MLFlowExperimentTrackerSettings(nested=True, tags={"team": "vision"}))
    run = setting.open(pipeline_name, tracker=setting.make(tags={"project": "iris"}))
    with run.step(StepFacts("fit", "s1", settings=settings)) as step:
        mlflow.log_metric("accuracy", 0.9)
    run.finish("completed")
    parent, child = setting.reader.runs(pipeline_name)
    assert child["info"]["run_name"] == "fit"
    assert child["tags"]["mlflow.parentRunId"] == parent["info"]["run_id"]
    assert (child["tags"]["team"], "team" in parent["tags"]) == ("vision", False)
    assert (parent["tags"]["project"], "project" in child["tags"]) == ("iris", False)
    assert (child["metrics"], parent["metrics"]) == ({"accuracy": 0.9}, {})
    assert {parent["info"]["status"], child["info"]["status"]} == {"FINISHED"}
    assert step.metadata()["mlflow_run_id"] == child["info"]["run_id"]


def test_the_tags_of_a_step_that_is_not_nested_go_to_the_shared_run(
    setting: Setting, pipeline_name: str
) -> None:
    run = setting.open(pipeline_name)
    with run.step(StepFacts("fit", "s1", settings={"tags": {"team": "vision", "size": 3}})):
        pass
    run.finish("completed")
    [found] = setting.reader.runs(pipeline_name)
    assert (found["tags"]["team"], found["tags"]["size"]) == ("vision", "3")


def test_experiment_name_of_the_tracker_and_of_a_step_win_over_the_pipeline(
    local: Setting, pipeline_name: str
) -> None:
    run = local.open(pipeline_name, tracker=local.make(experiment_name="team"))
    with run.step(StepFacts("load", "s1")):
        pass
    with run.step(StepFacts("fit", "s2", settings={"experiment_name": "mine"})):
        pass
    run.finish("failed")
    assert local.reader.runs(pipeline_name) == []
    assert [found["info"]["status"] for name in ("team", "mine") for found in local.reader.runs(name)] == [
        "FAILED",
        "FAILED",
    ]


def test_an_unknown_setting_is_refused_with_the_nearest_one(local: Setting) -> None:
    run = local.open()
    with pytest.raises(
        ConfigError, match=r"step 'fit': unknown MLflow setting 'nestde' \(did you mean 'nested'\?\)"
    ):
        with run.step(StepFacts("fit", "s1", settings={"nestde": True})):
            pass


@pytest.mark.parametrize(
    ("status", "expected"), [("completed", "FINISHED"), ("failed", "FAILED"), ("killed", "KILLED")]
)
def test_the_run_ends_as_the_pipeline_did(
    setting: Setting, pipeline_name: str, status: Any, expected: str
) -> None:
    run = setting.open(pipeline_name)
    with run.step(StepFacts("fit", "s1")):
        pass
    assert setting.reader.runs(pipeline_name)[0]["info"]["status"] == "RUNNING"
    run.finish(status)
    [found] = setting.reader.runs(pipeline_name)
    assert found["info"]["status"] == expected
    assert int(found["info"]["end_time"]) >= int(found["info"]["start_time"])


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("x"), "FAILED"),
        (SystemExit(3), "FAILED"),
        (SystemExit(0), "FINISHED"),
        (KeyboardInterrupt(), "KILLED"),
    ],
)
def test_a_child_run_ends_as_its_step_did(
    local: Setting, pipeline_name: str, error: BaseException, expected: str
) -> None:
    run = local.open(pipeline_name)
    with pytest.raises(type(error)):
        with run.step(StepFacts("fit", "s1", settings={"nested": True})):
            raise error
    parent, child = local.reader.runs(pipeline_name)
    assert (parent["info"]["status"], child["info"]["status"]) == ("RUNNING", expected)
    run.finish("killed")


def test_every_attempt_of_a_nested_step_has_a_run_and_a_status(setting: Setting, pipeline_name: str) -> None:
    import mlflow

    run = setting.open(pipeline_name)
    with pytest.raises(ValueError, match="no luck"):
        with run.step(StepFacts("fit", "s1", attempt=1, settings={"nested": True})):
            mlflow.log_param("seed", 1)
            raise ValueError("no luck")
    with run.step(StepFacts("fit", "s1", attempt=2, settings={"nested": True})):
        mlflow.log_param("seed", 2)
    run.finish("completed")
    _, first, second = setting.reader.runs(pipeline_name)
    assert [first["info"]["run_name"], second["info"]["run_name"]] == ["fit", "fit (attempt 2)"]
    assert [first["params"], second["params"]] == [{"seed": "1"}, {"seed": "2"}]
    assert [first["info"]["status"], second["info"]["status"]] == ["FAILED", "FINISHED"]


def test_history_is_told_of_every_run_before_user_code_can_write_to_it(
    local: Setting, pipeline_name: str
) -> None:
    import mlflow

    run = local.open(pipeline_name)
    with run.step(StepFacts("fit", "s1", settings={"nested": True})):
        assert [told.parent for told in local.told] == [True, False]
        with mlflow.start_run(nested=True):
            pass
        with mlflow.start_run(nested=True) as started:
            assert local.told[-1].run_id == started.info.run_id
    run.finish("completed")
    assert [told.run_id for told in local.told] == [
        found["info"]["run_id"] for found in local.reader.runs(pipeline_name)
    ]
    assert {(told.tracker, told.tracking_uri) for told in local.told} == {("team", "local")}


def test_more_than_a_hundred_parameters_and_very_long_ones_are_logged(
    setting: Setting, pipeline_name: str
) -> None:
    run = setting.open(
        pipeline_name, parameters={**{f"p{i}": str(i) for i in range(230)}, "long": "x" * 9000}
    )
    with run.step(StepFacts("fit", "s1")):
        pass
    run.finish("completed")
    [found] = setting.reader.runs(pipeline_name)
    assert len(found["params"]) == 231
    assert found["params"]["long"] == "x" * 6000


def test_a_secret_value_in_a_parameter_or_a_tag_is_masked(setting: Setting, pipeline_name: str) -> None:
    canary = SecretValue("S3CR3T-in-a-parameter").reveal()
    run = setting.open(
        pipeline_name, parameters={"key": f"sk-{canary}"}, run_name=f"run {canary}", tags={"mlx.note": canary}
    )
    with run.step(StepFacts("fit", "s1", settings={"tags": {"t": canary}, "nested": True})):
        pass
    run.finish("completed")
    assert canary not in repr(setting.reader.runs(pipeline_name))


def test_a_deleted_experiment_is_an_error_with_a_way_out(setting: Setting, pipeline_name: str) -> None:
    import mlflow

    first = setting.open(pipeline_name)
    with first.step(StepFacts("fit", "s1")) as step:
        mlflow.delete_experiment(step.metadata()["mlflow_experiment_id"])
    with pytest.raises(ConfigError, match=f"experiment '{pipeline_name}' on tracker 'team' was deleted"):
        with setting.open(pipeline_name).step(StepFacts("fit", "s1")):
            pass


def test_a_cached_step_points_to_the_run_it_was_logged_to(setting: Setting, pipeline_name: str) -> None:
    first = setting.open(pipeline_name)
    with first.step(StepFacts("fit", "s1")) as step:
        pass
    first.finish("completed")
    source = step.metadata()
    second = setting.open(pipeline_name, run_id="r2", run_name="second")
    cached = second.cached(StepFacts("fit", "s2"), source)
    second.finish("completed")
    third = setting.open(pipeline_name, run_id="r3", run_name="third")
    again = third.cached(StepFacts("fit", "s3", tracked=False), {**source, **cached})
    third.finish("completed")
    _, two, three = setting.reader.runs(pipeline_name)
    assert [found["tags"]["mlx.cached.fit"] for found in (two, three)] == [source["mlflow_run_id"]] * 2
    assert [found["info"]["status"] for found in (two, three)] == ["FINISHED", "FINISHED"]
    assert cached["mlflow_run_id"] == two["info"]["run_id"]
    assert again["mlflow_source_run_id"] == source["mlflow_run_id"]
    assert again["mlflow_source_url"] == source["experiment_tracker_url"]


def test_a_cached_step_that_never_was_tracked_leaves_nothing_unless_it_is_to_be(
    local: Setting, pipeline_name: str
) -> None:
    run = local.open(pipeline_name)
    assert run.cached(StepFacts("load", "s1", tracked=False), {}) == {}
    assert local.reader.runs(pipeline_name) == []
    run.cached(StepFacts("fit", "s2"), {})
    run.finish("completed")
    [found] = local.reader.runs(pipeline_name)
    assert found["tags"]["mlx.cached.fit"] == "not tracked"


def test_a_run_that_history_could_not_note_is_not_left_open(local: Setting, pipeline_name: str) -> None:
    def full(run: TrackerRun) -> None:
        raise OSError("no space left on device")

    run = local.tracker.open(RunFacts("r1", "n", pipeline_name, "default"), full)
    with pytest.raises(OSError, match="no space"):
        with run.step(StepFacts("fit", "s1")):
            raise AssertionError("user code must not run")
    [found] = local.reader.runs(pipeline_name)
    assert found["info"]["status"] == "FAILED"
