"""Steps of one run that log at once from processes of their own: nothing is lost, nothing fails, nothing stays open."""

from __future__ import annotations

import os
import pickle
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import mlflow
import pytest

from mlxkit.errors import ConfigError
from mlxkit.secrets.masking import register
from mlxkit.stacks.protocols import StepFacts

from .conftest import Setting, _environment
from .workers import cold, points, say, start, step_of

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="workers are forked here")

FOUR = range(4)


def test_four_steps_at_once_lose_no_point_of_any_metric(
    setting: Setting, pipeline_name: str, tmp_path: Path
) -> None:
    run = setting.open(pipeline_name, parameters={"lr": "0.5"})
    file = tmp_path / "note.txt"
    file.write_text("x")

    def body(number: int) -> None:
        for step in range(40):
            mlflow.log_metric("loss", number + step / 100, step=step)
        mlflow.log_metrics({f"own.{number}": number, "last": number})
        mlflow.log_artifact(str(file), f"step-{number}")
        mlflow.set_tags({f"tag.{number}": number, "who": number})

    works = [step_of(f"fit{number}", partial(body, number)) for number in FOUR]
    links = [worker.result() for worker in start(run, setting, *works)]
    measured, _ = run.measured()
    run.finish("completed")
    [found] = setting.reader.runs(pipeline_name)
    run_id = found["info"]["run_id"]
    assert {link["mlflow_run_id"] for link in links} == {run_id}
    assert points(setting, run_id, "loss") == sorted(
        (step, number + step / 100) for step in range(40) for number in FOUR
    )
    assert len(points(setting, run_id, "last")) == 4
    assert {f"own.{number}": float(number) for number in FOUR}.items() <= measured.items()
    assert found["params"] == {"lr": "0.5"}
    assert {f"tag.{number}": str(number) for number in FOUR}.items() <= found["tags"].items()
    assert found["info"]["status"] == "FINISHED"
    assert [told.run_id for told in setting.told] == [run_id]
    assert _artifacts(setting, run_id) == [f"step-{number}/note.txt" for number in FOUR]


def test_steps_that_write_the_same_names_at_once_all_keep_their_values(
    setting: Setting, pipeline_name: str
) -> None:
    run = setting.open(pipeline_name)

    def body(number: int) -> None:
        for index in range(8):
            mlflow.set_tag(f"t{index}", number)
            mlflow.log_param(f"p{index}", number)
            mlflow.log_params({f"b{index}": number, f"same{index}": "s", f"{number}.{index}": "own"})

    works = [step_of(f"fit{number}", partial(body, number)) for number in FOUR]
    for worker in start(run, setting, *works):
        worker.result()
    run.finish("completed")
    [found] = setting.reader.runs(pipeline_name)
    params = found["params"]
    for index in range(8):
        for kind in "pb":
            key = f"{kind}{index}"
            names = [key, *(f"fit{number}.{key}" for number in FOUR)]
            assert sorted(params[name] for name in names if name in params) == ["0", "1", "2", "3"]
            winner = params[key]
            assert f"fit{winner}.{key}" not in params
        assert params[f"same{index}"] == "s"
        assert found["tags"][f"t{index}"] in "0123"
    assert len(params) == 8 * (4 + 4 + 1 + 4)


def test_one_dataset_that_several_steps_log_at_once_is_one_input(
    setting: Setting, pipeline_name: str
) -> None:
    import numpy

    run = setting.open(pipeline_name)

    def body() -> None:
        for index in range(4):
            data = mlflow.data.from_numpy(numpy.arange(index + 3), name=f"data-{index}")
            mlflow.log_input(data, context="training")

    for worker in start(run, setting, *[step_of(f"fit{number}", body) for number in FOUR]):
        worker.result()
    run.finish("completed")
    [found] = setting.reader.runs(pipeline_name)
    with setting.open().step(StepFacts("look", "s0", tracked=False)):
        inputs = mlflow.MlflowClient().get_run(found["info"]["run_id"]).inputs.dataset_inputs
    assert sorted(item.dataset.name for item in inputs) == [f"data-{index}" for index in range(4)]


def test_nested_steps_have_a_child_run_each_that_ends_as_its_step_did(
    setting: Setting, pipeline_name: str
) -> None:
    run = setting.open(pipeline_name)

    def fails() -> None:
        mlflow.log_metric("m", 3)
        raise ValueError("no luck")

    nested = {"settings": {"nested": True, "tags": {"team": "vision"}}}
    works = [
        *(step_of(f"fit{number}", lambda: mlflow.log_metric("m", 1), **nested) for number in range(2)),
        step_of("broken", fails, **nested),
    ]
    workers = start(run, setting, *works)
    links = [worker.result() for worker in workers[:2]]
    with pytest.raises(AssertionError, match="no luck"):
        workers[2].result()
    run.finish("failed")
    parent, *children = setting.reader.runs(pipeline_name)
    by_name = {child["info"]["run_name"]: child for child in children}
    assert sorted(by_name) == ["broken", "fit0", "fit1"]
    assert {child["tags"]["mlflow.parentRunId"] for child in children} == {parent["info"]["run_id"]}
    assert [by_name[name]["info"]["status"] for name in sorted(by_name)] == ["FAILED", "FINISHED", "FINISHED"]
    assert {child["tags"]["mlflow.user"] for child in children} == {parent["tags"]["mlflow.user"]}
    assert parent["info"]["status"] == "FAILED"
    assert {told.run_id for told in setting.told} == {item["info"]["run_id"] for item in [parent, *children]}
    assert {link["mlflow_run_id"] for link in links} == {
        by_name[name]["info"]["run_id"] for name in ("fit0", "fit1")
    }


def test_start_run_joins_the_shared_run_and_further_runs_are_announced_before_they_are_written_to(
    setting: Setting, pipeline_name: str
) -> None:
    run = setting.open(pipeline_name)

    def body() -> None:
        with mlflow.start_run():
            mlflow.log_metric("m", 1)
            with mlflow.start_run(nested=True, run_name="trial"):
                mlflow.log_metric("inner", 2)

    workers = start(run, setting, *[step_of(f"fit{number}", body) for number in range(2)])
    for worker in workers:
        worker.result()
        assert len(worker.learned) == 1
    assert run.measured()[0] == {"m": 1.0, "inner": 2.0}
    run.finish("completed")
    parent, *trials = setting.reader.runs(pipeline_name)
    assert {trial["info"]["run_id"] for trial in trials} == {worker.learned[0].run_id for worker in workers}
    assert {item["info"]["status"] for item in [parent, *trials]} == {"FINISHED"}
    assert {trial["tags"]["mlx.step_run_id"] for trial in trials} == {"id-fit0", "id-fit1"}


def test_steps_that_nobody_expected_to_log_find_each_other(setting: Setting, pipeline_name: str) -> None:
    run = setting.open(pipeline_name, parameters={"lr": "1"})
    works = [
        step_of(f"fit{number}", partial(mlflow.log_metric, f"m{number}", 1), tracked=False) for number in FOUR
    ]
    workers = start(run, setting, *works)
    links = [worker.result() for worker in workers]
    [later] = start(run, setting, step_of("later", partial(mlflow.log_metric, "later", 1)))
    shared = later.result()["mlflow_run_id"]
    assert shared in {link["mlflow_run_id"] for link in links}
    metrics, params = run.measured()
    assert (sorted(metrics), params) == (["later", "m0", "m1", "m2", "m3"], {"lr": "1"})
    run.finish("completed")
    found = setting.reader.runs(pipeline_name)
    assert {item["info"]["status"] for item in found if item["info"]["lifecycle_stage"] == "active"} == {
        "FINISHED"
    }
    if setting.scenario == "local":  # a server orders runs by the clocks of its clients
        assert len({link["mlflow_run_id"] for link in links}) == 1
    assert shared in {told.run_id for told in setting.told if told.parent}


def test_what_is_expected_to_log_gets_its_run_before_it_is_handed_over(
    local: Setting, pipeline_name: str
) -> None:
    run = local.open(pipeline_name)
    assert run.handed_over(StepFacts("a", "s1", tracked=False)).shared == {}
    handed = run.handed_over(StepFacts("b", "s2", tracked=False, touches=True))
    [found] = local.reader.runs(pipeline_name)
    assert list(handed.shared.values()) == [found["info"]["run_id"]]
    run.finish("completed")
    assert local.reader.run(found["info"]["run_id"])["info"]["status"] == "FINISHED"


def test_a_worker_killed_in_the_middle_leaves_no_run_open(setting: Setting, pipeline_name: str) -> None:
    run = setting.open(pipeline_name)

    def body() -> None:
        mlflow.log_metric("m", 1)
        mlflow.start_run(nested=True, run_name="trial")
        mlflow.log_metric("inner", 1)
        say("in the middle")
        time.sleep(600)

    nested = {"settings": {"nested": True}}
    [worker] = start(run, setting, step_of("fit", body, **nested))
    worker.wait_for("in the middle")
    [other] = start(run, setting, step_of("other", lambda: mlflow.log_metric("m", 2), **nested))
    other.result()
    worker.kill()
    parent, child, trial, _sibling = setting.reader.runs(pipeline_name)
    assert [item["info"]["status"] for item in (parent, child, trial)] == ["RUNNING"] * 3
    run.abandon("id-fit", [2])
    assert setting.reader.run(child["info"]["run_id"])["info"]["status"] == "RUNNING"
    run.abandon("id-fit", [1])
    statuses = [item["info"]["status"] for item in setting.reader.runs(pipeline_name)]
    assert statuses == ["RUNNING", "KILLED", "KILLED", "FINISHED"]
    run.finish("failed")
    statuses = [item["info"]["status"] for item in setting.reader.runs(pipeline_name)]
    assert statuses == ["FAILED", "KILLED", "KILLED", "FINISHED"]


def test_what_nobody_abandoned_ends_with_the_run(setting: Setting, pipeline_name: str) -> None:
    run = setting.open(pipeline_name)
    step = StepFacts("fit", "s1", settings={"nested": True})
    code = """
with run.step(StepFacts("fit", "s1", settings={"nested": True})):
    os._exit(0)
"""
    cold(setting, run.handed_over(step), code)
    assert [item["info"]["status"] for item in setting.reader.runs(pipeline_name)] == ["RUNNING", "RUNNING"]
    run.finish("killed")
    assert [item["info"]["status"] for item in setting.reader.runs(pipeline_name)] == ["KILLED", "KILLED"]


def test_whichever_attempt_a_worker_had_come_to_is_ended(setting: Setting, pipeline_name: str) -> None:
    run = setting.open(pipeline_name)

    def dies() -> None:
        say("begun")
        time.sleep(600)

    step = step_of("fit", dies, attempt=3, settings={"nested": True})
    [worker] = start(run, setting, step)
    worker.wait_for("begun")
    worker.kill()
    run.abandon("id-fit", ())
    parent, child = setting.reader.runs(pipeline_name)
    assert (parent["info"]["status"], child["info"]["status"]) == ("RUNNING", "KILLED")
    run.finish("completed")


def test_an_attempt_after_one_whose_process_died_logs_other_values_too(
    local: Setting, pipeline_name: str
) -> None:
    run = local.open(pipeline_name, parameters={"seed": "0"})
    for seed in (1, 2, 3):
        [worker] = start(run, local, step_of("fit", partial(mlflow.log_params, {"seed": seed})))
        worker.result()
    run.finish("completed")
    [found] = local.reader.runs(pipeline_name)
    assert found["params"] == {"seed": "0", "fit.seed": "1", "fit.again-2.seed": "2", "fit.again-3.seed": "3"}


def test_a_process_that_was_started_from_nothing_logs_and_keeps_no_credential(
    setting: Setting, pipeline_name: str
) -> None:
    run = setting.open(pipeline_name)
    handed = run.handed_over(StepFacts("fit", "s1"))
    code = """
before = dict(os.environ)
secrets = [value.reveal() for value in attributes.values() if hasattr(value, "reveal")]
with run.step(StepFacts("fit", "s1")) as step:
    import mlflow
    mlflow.log_metric("late", 1, synchronous=False)
    for index in range(5):
        mlflow.log_metric("m", index, step=index, synchronous=False)
    inside = dict(os.environ)
assert opened == [], opened
assert not [name for name, value in inside.items() if any(secret in value for secret in secrets)]
ignored = ("KMP_", "_RJEM_")
after = {name: value for name, value in os.environ.items() if not name.startswith(ignored)}
assert after == {name: value for name, value in before.items() if not name.startswith(ignored)}
print(step.metadata()["mlflow_run_id"])
"""
    run_id = cold(setting, handed, code).strip()
    run.finish("completed")
    [found] = setting.reader.runs(pipeline_name)
    assert (found["info"]["run_id"], found["info"]["status"]) == (run_id, "FINISHED")
    assert points(setting, run_id, "m") == [(index, float(index)) for index in range(5)]
    assert points(setting, run_id, "late") == [(0, 1.0)]


def test_what_is_handed_over_holds_no_credential(server: Setting, pipeline_name: str) -> None:
    register("a-parameter-known-too-late")
    run = server.open(pipeline_name, parameters={"key": "a-parameter-known-too-late"})
    before = _environment()
    handed = pickle.dumps(run.handed_over(StepFacts("fit", "s1")))
    assert _environment() == before
    run.finish("completed")
    assert server.attributes["tracking_password"].reveal().encode() not in handed
    assert server.attributes["tracking_username"].reveal().encode() not in handed.replace(
        run._started_by["mlflow.user"].encode(), b""
    )
    assert b"a-parameter-known-too-late" not in handed
    assert len(handed) < 4_000


def test_a_step_on_another_machine_does_not_make_a_store_of_its_own(
    local: Setting, pipeline_name: str, tmp_path: Path
) -> None:
    run = local.open(pipeline_name)
    handed = replace(run.handed_over(StepFacts("fit", "s1")), host="elsewhere")
    there = Setting("local", tmp_path / "there" / ".mlx", local.reader, {})
    joined = there.tracker.join(handed, there.told.append)
    with pytest.raises(ConfigError, match="keeps its runs in a file on elsewhere"):
        with joined.step(StepFacts("fit", "s1")):
            raise AssertionError("the step began")
    with pytest.raises(ConfigError, match="keeps its runs in a file on elsewhere"):
        with joined.step(StepFacts("fit", "s1", tracked=False)):
            mlflow.log_metric("m", 1)
    with joined.step(StepFacts("fit", "s1", tracked=False)):
        pass
    run.finish("completed")
    assert not (tmp_path / "there").exists()


def test_autologging_and_models_of_steps_at_once_are_all_there(local: Setting, pipeline_name: str) -> None:
    import mlflow.pyfunc
    import mlflow.sklearn

    run = local.open(pipeline_name)

    def fits(number: int) -> None:
        from sklearn.linear_model import LogisticRegression

        mlflow.sklearn.autolog(log_models=False)
        LogisticRegression(max_iter=100 + number).fit([[0.0], [1.0], [0.0], [1.0]], [0, 1, 0, 1])

    def logs(number: int) -> None:
        mlflow.log_metric(f"before-{number}", number)
        made = mlflow.pyfunc.log_model(
            name=f"model-{number}", python_model=_identity, pip_requirements=["mlflow"]
        )
        mlflow.log_metric("of-model", number, model_id=made.model_id)

    works = [
        *(step_of(f"fit{number}", partial(fits, number)) for number in range(2)),
        *(step_of(f"log{number}", partial(logs, number)) for number in range(2)),
    ]
    for worker in start(run, local, *works):
        worker.result()
    run.finish("completed")
    [found] = local.reader.runs(pipeline_name)
    taken = {found["params"].get(name) for name in ("max_iter", "fit0.max_iter", "fit1.max_iter")} - {None}
    assert taken == {"100", "101"}
    assert "training_accuracy_score" in found["metrics"]
    with local.open().step(StepFacts("look", "s0", tracked=False)):
        models = mlflow.search_logged_models(
            experiment_ids=[found["info"]["experiment_id"]], output_format="list"
        )
    assert {model.name: model.tags["mlx.step"] for model in models} == {"model-0": "log0", "model-1": "log1"}
    assert {model.source_run_id for model in models} == {found["info"]["run_id"]}


def _identity(model_input: list[str]) -> list[str]:
    return model_input


def _artifacts(setting: Setting, run_id: str) -> list[str]:
    if setting.scenario == "local":
        folder = next((setting.state_dir / "mlflow" / "artifacts").glob(f"*/{run_id}/artifacts"))
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("note.txt"))
    found = [
        setting.reader.call("GET", f"artifacts/list?run_id={run_id}&path=step-{number}")  # type: ignore[attr-defined]
        for number in FOUR
    ]
    return sorted(str(file["path"]) for listed in found for file in listed.get("files", []))
