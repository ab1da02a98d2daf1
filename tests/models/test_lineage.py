"""The way back from a version to its data, drawn, compared, and told where the history is not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlxkit.client import Client
from mlxkit.models.drawing import mermaid, tree
from mlxkit.models.lineage import Lineage, Server, SourceStep
from tests.conftest import Result

pytestmark = pytest.mark.integration
Mlx = Callable[..., Result]

FILE = """
import mlflow
from mlxkit import pipeline, step


class Same(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: list[float], params=None):
        return model_input


@step
def load(size: int) -> list:
    return list(range(size))


@step
def clean(rows: list) -> list:
    return rows[1:]


@step(experiment_tracker=True)
def train(rows: list, raw: list, lr: float) -> float:
    mlflow.pyfunc.log_model(name="model", python_model=Same(), pip_requirements=["numpy==1.0"])
    mlflow.log_metric("rmse", lr)
    return lr


@pipeline
def training(size: int = 4, lr: float = 0.5):
    rows = load(size)
    train(clean(rows), rows, lr)
"""


@pytest.fixture
def two(home: Path, mlx: Mlx) -> None:
    """Two versions of a model, from runs with other data and another parameter."""
    assert mlx("init").code == 0
    Path("flow.py").write_text(FILE)
    for options in ([], ["--size", "9", "--lr", "0.25"]):
        assert mlx("run", "flow.py", *options).code == 0
        assert mlx("model", "register", "m", "--run", "latest").code == 0


def as_json(mlx: Mlx, *words: str) -> Any:
    done = mlx(*words, "-o", "json")
    assert done.code == 0, done.stderr
    return json.loads(done.stdout)


def test_the_way_back_ends_at_the_data(two: None, mlx: Mlx) -> None:
    found = as_json(mlx, "model", "lineage", "m:1")
    runs = {item["name"]: item for item in as_json(mlx, "runs", "list")}
    steps = {item["name"]: item for item in as_json(mlx, "runs", "describe", found["run"]["id"])["steps"]}
    assert found["run"]["name"] in runs
    assert [item["step"] for item in found["steps"]] == ["train", "clean", "load"]
    assert found["data"] == {"load.output": steps["load"]["outputs"]["output"]["digest"]}
    assert found["steps"][0]["inputs"]["rows"] == {
        "from": "clean.output",
        "digest": steps["clean"]["outputs"]["output"]["digest"],
    }
    assert found["deployments"] == [] and found["left_out"] == 0


def test_where_the_history_is_not_the_version_tells(two: None, mlx: Mlx) -> None:
    known = as_json(mlx, "model", "lineage", "m:1")
    for path in Path(".mlx").glob("history*"):
        path.unlink()
    shutil.rmtree(".mlx/artifacts", ignore_errors=True)
    assert as_json(mlx, "runs", "list") == []
    found = as_json(mlx, "model", "lineage", "m:1")
    assert found["run"] == known["run"]
    assert [item["step"] for item in found["steps"]] == ["train", "clean", "load"]
    assert known["data"]["load.output"].startswith(found["data"]["load.output"])
    assert len(found["data"]["load.output"]) == 16


def test_the_tree_and_the_graph_name_every_step_once(two: None, mlx: Mlx) -> None:
    lines = mlx("model", "lineage", "m:1").stdout.splitlines()
    assert lines[0] == "m:1"
    assert sum(line.lstrip().startswith("step load") for line in lines) == 2  # it feeds two steps
    assert sum("as above" in line for line in lines) == 1
    graph = mlx("model", "lineage", "m:1", "--format", "mermaid").stdout.splitlines()
    assert graph[0] == "flowchart LR"
    assert sum('(["load"])' in line for line in graph) == 1
    assert len([line for line in graph if " -- " in line]) == 3


def test_compare_shows_what_differs_and_only_that(two: None, mlx: Mlx) -> None:
    rows = {(row["kind"], row["name"]): row for row in as_json(mlx, "model", "compare", "m:1", "m:2")["rows"]}
    assert rows["param", "lr"]["values"] == ["0.5", "0.25"]
    assert rows["metric", "rmse"]["values"] == [0.5, 0.25]
    assert {name for kind, name in rows if kind == "data"} == {"load.output", "raw", "rows"}
    assert not [row for row in rows.values() if not row["differs"]]
    whole = as_json(mlx, "model", "compare", "m:1", "m:2", "--all")["rows"]
    same = {(row["kind"], row["name"]) for row in whole if not row["differs"]}
    assert ("code", "code_digest") in same and ("environment", "python") in same
    table = mlx("model", "compare", "m:1", "m:2").stdout
    assert "metric\trmse\t0.5\t0.25\n" in table


def test_environments_are_compared_by_the_models_files_where_the_history_is_not(two: None, mlx: Mlx) -> None:
    for path in Path(".mlx").glob("history*"):
        path.unlink()
    whole = as_json(mlx, "model", "compare", "m:1", "m:2", "--all")["rows"]
    assert {row["name"]: row["values"] for row in whole if row["kind"] == "environment"}["numpy"] == [
        "1.0",
        "1.0",
    ]


def test_one_version_is_not_enough_to_compare(two: None, mlx: Mlx) -> None:
    assert mlx("model", "compare", "m:1").code == 2
    wrong = mlx("model", "compare", "m:1", "m:9")
    assert wrong.code == 3 and "9" in wrong.stderr


def test_a_tag_that_somebody_broke_is_no_reason_to_fail(two: None, mlx: Mlx) -> None:
    registry = Client().models.registry
    broken = {"step": "train", "inputs": 3, "outputs": [1], "parameters": "x", "id": None}
    for text in (
        json.dumps({"steps": [broken], "left_out": "many"}),
        "{",
        "[]",
        '{"steps": 3}',
        '{"steps": [3]}',
        '{"steps": [{"step": "train", "evil": 1}]}',
    ):
        registry.set_tags("m", {"mlx.lineage": text, "mlx.run_id": "gone"}, version=1)
        assert as_json(mlx, "model", "lineage", "m:1")["version"] == 1
        assert mlx("model", "lineage", "m:1").code == 0


def test_names_with_quotes_do_not_break_a_graph() -> None:
    found = Lineage(
        name='a"b', version=1, version_tag=None, aliases=("production",), source="",
        steps=(SourceStep('st"ep', inputs={"x": {"from": "body", "digest": "d" * 64}}),),
        deployments=(Server("live", "running", "http://127.0.0.1:1"),),
    )  # fmt: skip
    text = "\n".join(mermaid(found))
    assert "a#quot;b:1 @production" in text and 'a"b' not in text
    assert "served by  live (running, http://127.0.0.1:1)" in "\n".join(tree(found))
