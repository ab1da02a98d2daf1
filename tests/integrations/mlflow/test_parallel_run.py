"""`mlx run --workers`: tracked steps of one pipeline at once, on a store that is made for them and on a server."""

from __future__ import annotations

import os
import shutil
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Result
from tests.fixtures.mlflow_server import MlflowServer
from tests.fixtures.shelf import write_team_project

from .conftest import LocalReader, Reader, Setting
from .workers import points

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

LOCAL = "version: 1\nexperiment_trackers:\n  t: {flavor: mlflow}\nstacks:\n  s: {experiment_tracker: t}\ndefault_stack: s\n"

FLOW = """
    import os, signal
    import mlflow
    from mlxkit import pipeline, step

    def log(number: int) -> int:
        mlflow.log_param("rate", number)
        for index in range(25):
            mlflow.log_metric("loss", number + index / 100, step=index)
        mlflow.log_text(str(number), f"{number}.txt")
        return number

    @step(experiment_tracker=True)
    def first() -> int:
        return log(1)

    @step(experiment_tracker=True)
    def second() -> int:
        with mlflow.start_run():
            return log(2)

    @step(experiment_tracker=True, settings={"experiment_tracker": {"nested": True}})
    def third() -> int:
        return log(3)

    @step
    def fourth() -> int:
        return log(4)

    @step
    def dies() -> int:
        mlflow.start_run(nested=True, run_name="left")
        os.kill(os.getpid(), signal.SIGKILL)
        return 0
"""


@pytest.fixture
def local_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalReader:
    """A project whose stack has a local tracker, whose database is still to be made, and what reads it back."""
    monkeypatch.chdir(tmp_path)
    Path("mlx.yaml").write_text(LOCAL)
    return LocalReader(tmp_path / ".mlx" / "mlflow" / "mlflow.db")


@pytest.fixture
def server_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mlflow_server: MlflowServer
) -> Iterator[Reader]:
    """A project whose stack has its tracker on a server."""
    monkeypatch.chdir(tmp_path)
    write_team_project(mlflow_server.uri)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLX_SECRET_SERVER__USERNAME", mlflow_server.username)
        patch.setenv("MLX_SECRET_SERVER__PASSWORD", mlflow_server.password)
        yield mlflow_server.admin


@pytest.fixture(params=["local", "server"])
def reader(request: pytest.FixtureRequest) -> Reader:
    """Both, one after the other."""
    made: Reader = request.getfixturevalue(f"{request.param}_reader")
    return made


def test_four_tracked_steps_at_once_are_one_run_with_all_that_they_logged(
    mlx: Callable[..., Result], reader: Reader, pipeline_name: str
) -> None:
    result = _run(mlx, pipeline_name, "first(); second(); third(); fourth()")
    assert result.code == 0, result.stderr
    parent, child = reader.runs(pipeline_name)
    assert [item["info"]["status"] for item in (parent, child)] == ["FINISHED", "FINISHED"]
    assert (child["info"]["run_name"], child["tags"]["mlflow.parentRunId"]) == (
        "third",
        parent["info"]["run_id"],
    )
    setting = Setting("local" if isinstance(reader, LocalReader) else "server", Path(".mlx"), reader, {})
    expected = sorted((index, number + index / 100) for index in range(25) for number in (1, 2, 4))
    assert points(setting, parent["info"]["run_id"], "loss") == expected
    assert len(points(setting, child["info"]["run_id"], "loss")) == 25
    rates = {key: value for key, value in parent["params"].items() if key.endswith("rate")}
    assert sorted(rates.values()) == ["1", "2", "4"]
    assert child["params"] == {"rate": "3"}


def test_a_step_that_is_killed_leaves_nothing_open(
    mlx: Callable[..., Result], local_reader: Reader, ready_store: Path, pipeline_name: str
) -> None:
    shutil.copytree(ready_store, Path(".mlx") / "mlflow")
    result = _run(mlx, pipeline_name, "first(); dies()")
    assert result.code == 6, result.stderr
    found = local_reader.runs(pipeline_name)
    states = {item["info"]["run_name"]: item["info"]["status"] for item in found}
    [parent] = [item for item in found if "mlflow.parentRunId" not in item["tags"]]
    assert parent["info"]["status"] == "FAILED"
    assert states["left"] == "KILLED"
    assert parent["metrics"]["loss"] == 1.24


def _run(mlx: Callable[..., Result], name: str, body: str) -> Result:
    flow = f'\n@pipeline(name="{name}", enable_cache=False)\ndef flow():\n    {body}\n\nflow()\n'
    Path("flow.py").write_text(textwrap.dedent(FLOW) + flow)
    return mlx("run", "flow.py", "--workers", "4")
