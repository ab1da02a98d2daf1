"""User code's own calls of MLflow inside a step, and after it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

# Bound before any step runs, as in `from mlflow import start_run` at the top of a pipeline file.
import mlflow
import pytest
from mlflow import active_run, log_metric, start_run

from mlxkit.stacks.protocols import StepFacts
from tests.fixtures.loopback import self_signed, tls_in_front_of
from tests.fixtures.mlflow_server import MlflowServer

from .conftest import Setting, server_attributes


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


def test_artifacts_logged_in_a_step_are_stored_with_its_run(setting: Setting, pipeline_name: str) -> None:
    run = setting.open(pipeline_name)
    with run.step(StepFacts("fit", "s1")) as step:
        mlflow.log_text("hello", "notes/hello.txt")
        mlflow.log_dict({"a": 1}, "a.json")
        run_id = step.metadata()["mlflow_run_id"]
        assert mlflow.artifacts.load_text(f"runs:/{run_id}/notes/hello.txt") == "hello"
    run.finish("completed")
    if setting.scenario == "local":
        assert list((setting.state_dir / "mlflow" / "artifacts").rglob("hello.txt"))


def test_a_model_logged_in_a_step_can_be_loaded_and_registered_from_its_run(
    setting: Setting, pipeline_name: str
) -> None:
    import mlflow.sklearn
    from sklearn.linear_model import LogisticRegression

    run = setting.open(pipeline_name)
    with run.step(StepFacts("fit", "s1")) as step:
        model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
        logged = mlflow.sklearn.log_model(model, name="model", pip_requirements=[])
        version = mlflow.register_model(logged.model_uri, pipeline_name)
        assert version.run_id == step.metadata()["mlflow_run_id"]
        loaded = mlflow.sklearn.load_model(f"runs:/{step.metadata()['mlflow_run_id']}/model")
        assert loaded.predict([[1.0]]) == [1]
    run.finish("completed")
    if setting.scenario == "local":
        assert list((setting.state_dir / "mlflow" / "artifacts").rglob("MLmodel"))


def test_a_step_logs_over_tls_that_is_not_checked_without_a_word_each_time(
    mlflow_server: MlflowServer, tmp_path: Path, pipeline_name: str, recwarn: pytest.WarningsRecorder
) -> None:
    with tls_in_front_of(int(mlflow_server.uri.rpartition(":")[2]), self_signed(tmp_path)) as uri:
        given = {**server_attributes(mlflow_server), "tracking_uri": uri, "tracking_insecure_tls": True}
        setting = Setting("server", tmp_path / ".mlx", mlflow_server.admin, given)
        run = setting.open(pipeline_name)
        with run.step(StepFacts("fit", "s1")):
            mlflow.log_metric("m", 1)
            mlflow.log_text("x", "x.txt")
        run.finish("completed")
    assert [found["metrics"] for found in setting.reader.runs(pipeline_name)] == [{"m": 1}]
    assert not [warning for warning in recwarn if "Unverified HTTPS" in str(warning.message)]


def test_what_was_logged_in_the_background_is_there_when_the_step_ends(
    setting: Setting, pipeline_name: str
) -> None:
    run = setting.open(pipeline_name)
    with run.step(StepFacts("fit", "s1")):
        for number in range(50):
            mlflow.log_metric(f"m{number}", number, synchronous=False)
    assert len(setting.reader.runs(pipeline_name)[0]["metrics"]) == 50
    run.finish("completed")


def test_a_trace_in_a_step_belongs_to_its_run(local: Setting, pipeline_name: str) -> None:
    run = local.open(pipeline_name)
    with run.step(StepFacts("fit", "s1")) as step:
        with mlflow.start_span("work"):
            pass
        mlflow.flush_trace_async_logging()
        [trace] = mlflow.search_traces(
            return_type="list", locations=[step.metadata()["mlflow_experiment_id"]]
        )
        assert trace.info.request_metadata["mlflow.sourceRun"] == step.metadata()["mlflow_run_id"]
    run.finish("completed")


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


class TestScript:
    """A plain script is one step that names its own runs and experiments."""

    def facts(self, setting: Setting, name: str) -> Any:
        return setting.open(name, kind="script")

    def test_its_first_start_run_is_ours_under_its_own_name_and_further_ones_hang_under_it(
        self, setting: Setting, pipeline_name: str
    ) -> None:
        run = self.facts(setting, pipeline_name)
        with run.step(StepFacts(pipeline_name, "s1")):
            with mlflow.start_run(run_name="baseline"):
                mlflow.log_metric("m", 1)
            with mlflow.start_run(run_name="better"):
                mlflow.log_metric("m", 2)
        run.finish("completed")
        first, second = setting.reader.runs(pipeline_name)
        assert [found["info"]["run_name"] for found in (first, second)] == ["baseline", "better"]
        assert [found["tags"]["mlx.run_id"] for found in (first, second)] == ["r1", "r1"]
        assert [found["metrics"]["m"] for found in (first, second)] == [1, 2]
        assert [found["info"]["status"] for found in (first, second)] == ["FINISHED", "FINISHED"]

    def test_it_chooses_its_experiment(self, local: Setting, pipeline_name: str) -> None:
        run = self.facts(local, pipeline_name)
        with run.step(StepFacts(pipeline_name, "s1")) as step:
            mlflow.set_experiment("iris")
            with mlflow.start_run():
                mlflow.log_metric("m", 1)
        run.finish("completed")
        assert local.reader.runs(pipeline_name) == []
        [found] = local.reader.runs("iris")
        assert step.metadata()["mlflow_run_id"] == found["info"]["run_id"]
        assert found["tags"]["mlx.run_id"] == "r1"

    def test_bare_calls_are_ours(self, local: Setting, pipeline_name: str) -> None:
        run = self.facts(local, pipeline_name)
        with run.step(StepFacts(pipeline_name, "s1")):
            mlflow.log_metric("m", 1)
        run.finish("completed")
        [found] = local.reader.runs(pipeline_name)
        assert found["metrics"] == {"m": 1}

    def test_one_that_never_touches_mlflow_has_its_run_all_the_same(
        self, local: Setting, pipeline_name: str
    ) -> None:
        run = self.facts(local, pipeline_name)
        with pytest.raises(ValueError, match="script"):
            with run.step(StepFacts(pipeline_name, "s1")):
                raise ValueError("script")
        run.finish("failed")
        assert [found["info"]["status"] for found in local.reader.runs(pipeline_name)] == ["FAILED"]
