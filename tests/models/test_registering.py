"""Registering where something is in the way: another label, another process, another tracker, a run that failed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlxkit.client import Client
from mlxkit.errors import NotFoundError
from mlxkit.models.origin import Origin
from mlxkit.models.references import resolve
from mlxkit.models.registration import Registration, register_lock, register_origin
from mlxkit.models.tags import MLFLOW_RUNS
from mlxkit.stacks.registries import LoggedModel
from tests.conftest import Result
from tests.fixtures.shelf import BETTER, GOOD, Shelf

pytestmark = pytest.mark.integration
Mlx = Callable[..., Result]

FILE = """
import mlflow
from mlxkit import pipeline, step
from mlxkit.mlflow import mlflow_register_model_step


class Same(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: list[float], params=None):
        return model_input


def log(name="model"):
    return mlflow.pyfunc.log_model(name=name, python_model=Same(), pip_requirements=[])


@step
def train() -> int:
    log()
    return 1


@step
def breaks(after: int) -> int:
    raise ValueError("no")


@step
def sweep() -> int:
    with mlflow.start_run(nested=True, run_name="A"):
        mlflow.log_metric("val_rmse", 0.1)
        log("a")
    with mlflow.start_run(nested=True, run_name="B"):
        log("b")
    with mlflow.start_run(nested=True, run_name="C"):
        mlflow.log_metric("test_rmse", 0.3)
    return 1


@pipeline
def one():
    train()


@pipeline
def fails():
    breaks(train())


@pipeline
def sweeps():
    sweep()


@pipeline
def first():
    mlflow_register_model_step(train(), name="m", version="1.0.0")


@pipeline
def second():
    mlflow_register_model_step(train(), name="m", version="2.0.0")
"""


@pytest.fixture
def project(home: Path, mlx: Mlx) -> Path:
    """A project with a second tracker beside the stack's."""
    assert mlx("init").code == 0
    Path("flow.py").write_text(FILE)
    Path("other").mkdir()
    added = mlx("tracker", "register", "other", "--flavor=mlflow", "--tracking_uri=sqlite:///other/mlflow.db")
    assert added.code == 0, added.stderr
    return Path.cwd()


def register(shelf: Shelf, which: int, label: str | None = None, **said: Any) -> Registration:
    item = shelf.logged[which]
    service = shelf.service
    said = {"description": None, "tags": {}, **said}
    return register_origin(
        service.registry, shelf.name, Origin(LoggedModel("model", item.uri, item.run_id, item.model_id)),
        version_tag=label, lock=register_lock(service.project.state_dir), **said,
    )  # fmt: skip


def test_one_model_under_another_label_is_another_version(shelf: Shelf) -> None:
    first = register(shelf, GOOD, "1.0.0")
    assert not register(shelf, GOOD, "1.0.0").is_new and not register(shelf, GOOD).is_new
    second = register(shelf, GOOD, "2.0.0")
    assert second.is_new and f"{shelf.name}:1 (1.0.0) is the same model" in second.notes
    registry = shelf.service.registry
    assert [resolve(registry, f"{shelf.name}:{label}").version for label in ("1.0.0", "2.0.0")] == [1, 2]
    assert first.version.version == 1 and register(shelf, GOOD, "1.0.0").version.version == 1
    assert register(shelf, GOOD).version.version == 2  # the newest


def test_a_version_without_a_label_gets_the_one_that_is_given(shelf: Shelf) -> None:
    assert register(shelf, GOOD).is_new
    again = register(shelf, GOOD, "1.0.0", description="better", tags={"team": "blue"})
    assert (again.is_new, again.version.version) == (False, 1)
    assert again.notes == (f"{shelf.name}:1: set version tag 1.0.0, tag team, description",)
    version = resolve(shelf.service.registry, f"{shelf.name}:1.0.0")
    assert (version.version, version.description, version.tags["team"]) == (1, "better", "blue")
    assert register(shelf, GOOD, "1.0.0", description="better", tags={"team": "blue"}).notes == ()


def test_a_label_of_another_model_is_said_and_means_the_newest(shelf: Shelf) -> None:
    register(shelf, GOOD, "1.0.0")
    assert "was on" in register(shelf, BETTER, "1.0.0").notes[0]
    again = register(shelf, GOOD, "1.0.0")
    assert again.version.version == 1 and f"is on {shelf.name}:2 too" in again.notes[0]
    assert resolve(shelf.service.registry, f"{shelf.name}:1.0.0").version == 2


def test_processes_that_register_one_model_at_once_make_one_version(shelf: Shelf) -> None:
    code = """
import sys
from mlxkit.client import Client
print(Client().models.register(sys.argv[1], sys.argv[2]).version.version)
"""
    run = shelf.logged[GOOD].run_id
    argv = [sys.executable, "-c", code, shelf.name, run]
    started = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(5)]
    assert [process.communicate(timeout=60)[0] for process in started] == ["1\n"] * 5
    assert len(shelf.service.registry.versions(shelf.name)) == 1


def test_a_label_is_found_among_more_versions_than_a_page_has(local_shelf: Shelf) -> None:
    shelf = local_shelf
    register(shelf, GOOD, "1.0.0")
    import sqlite3

    with sqlite3.connect(".mlx/mlflow/mlflow.db") as db:
        db.executemany(
            "INSERT INTO model_versions (name, version, creation_time, current_stage, source, status, workspace) "
            "VALUES (?, ?, 1, 'None', 'x', 'READY', 'default')",
            [(shelf.name, number) for number in range(2, 1203)],
        )
    assert resolve(shelf.service.registry, f"{shelf.name}:1.0.0").version == 1
    assert not register(shelf, GOOD).is_new


def test_only_runs_without_another_model_speak_for_a_model(project: Path, mlx: Mlx) -> None:
    assert mlx("run", "flow.py:sweeps").code == 0
    made = Client().models.register("m", "latest", path="b").version
    told = json.loads(made.tags[MLFLOW_RUNS])
    names = [run.name for run in Client().models.registry.runs(told).values()]
    assert told[0] == made.run_id and "A" not in names and {"B", "C"} <= set(names)


def test_a_model_on_another_tracker_is_registered_there(project: Path, mlx: Mlx) -> None:
    assert mlx("run", "flow.py:one", "--tracker", "other").code == 0
    wrong = mlx("model", "register", "m", "--run", "latest")
    assert wrong.code == 3 and "logged to tracker 'other'" in wrong.stderr
    assert "--tracker other" in wrong.stderr and "logged none" not in wrong.stderr
    made = mlx("model", "register", "m", "--run", "latest", "--tracker", "other", "-o", "name")
    assert (made.code, made.stdout) == (0, "m:1\n"), made.stderr
    assert "on tracker 'other'" in made.stderr
    assert mlx("model", "list", "-o", "name").stdout == ""


def test_a_tracker_that_has_forgotten_a_run_is_named(project: Path, mlx: Mlx) -> None:
    assert mlx("run", "flow.py:one").code == 0
    for path in Path(".mlx/mlflow").glob("mlflow.db*"):
        path.unlink()
    wrong = mlx("model", "register", "m", "--run", "latest")
    assert wrong.code == 3 and "does not know it any more" in wrong.stderr
    with pytest.raises(NotFoundError):
        Client().models.registry.model("m")


def test_a_run_never_writes_to_the_tracker_of_an_earlier_one(project: Path, mlx: Mlx) -> None:
    there = mlx("run", "flow.py:first", "--tracker", "other")
    assert there.code == 0 and "registered m:1 (1.0.0) on tracker 'other'" in there.stdout + there.stderr
    here = mlx("run", "flow.py:second")
    assert here.code == 0, here.stderr
    assert "it was tracked on 'other'" in mlx("runs", "describe").stdout
    assert "on tracker" not in here.stdout + here.stderr
    (version,) = Client().models.versions("m")
    assert (version.version_tag, version.pipeline) == ("2.0.0", "second")
    from mlxkit.models.service import ModelService

    (version,) = ModelService(tracker="other").versions("m")
    assert version.version_tag == "1.0.0"


def test_the_model_of_a_run_that_failed_is_registered_with_a_word_on_it(project: Path, mlx: Mlx) -> None:
    assert mlx("run", "flow.py:fails").code == 6
    done = mlx("model", "register", "m", "--run", "latest")
    run = Client().runs.get("latest")
    assert done.code == 0 and f"run {run.name} failed" in done.stderr
    on_mlflow = Client().runs.tracker_runs(run.id)[0]
    code = "import sys, mlflow; mlflow.MlflowClient(sys.argv[1]).delete_run(sys.argv[2])"
    uri = f"sqlite:///{project / '.mlx' / 'mlflow' / 'mlflow.db'}"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code, uri, on_mlflow], check=True)
    assert "deleted on the tracker" in mlx("model", "lineage", "m:1").stdout
    told = json.loads(mlx("model", "lineage", "m:1", "-o", "json").stdout)
    assert told["run"]["mlflow_status"] == "deleted"
