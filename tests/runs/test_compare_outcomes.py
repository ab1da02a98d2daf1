"""Comparisons of runs that ended differently, of curves that end alike, and of values that only look alike."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlxkit.runs.compare import ComparedRow, Comparison, compare
from mlxkit.runs.compare_code import files_of
from mlxkit.runs.compare_page import page
from mlxkit.runs.history import History
from mlxkit.runs.queries import RunQueries
from mlxkit.runs.records import RunRecord
from tests.conftest import Result
from tests.runs.test_code import git
from tests.runs.test_rerun import Project

FAILING = """
    from pathlib import Path
    from mlxkit import pipeline, step

    @step(enable_cache=False)
    def load() -> int:
        if Path("broken").exists():
            raise ValueError("no such table")
        return 1

    @pipeline
    def train() -> None:
        load()
"""


def rows(result: Result) -> dict[tuple[str, str], dict[str, Any]]:
    assert result.code == 0, result.stderr
    return {(row["kind"], row["name"]): row for row in json.loads(result.stdout)["rows"]}


def test_a_failed_run_differs_from_a_completed_one(home: Path, mlx: Callable[..., Result]) -> None:
    project = Project(Path.cwd())
    project.write("mlx.yaml", "version: 1\nstacks:\n  plain: {}\n  other: {}\ndefault_stack: plain\n")
    project.write("p.py", FAILING)
    project.write(".gitignore", "broken\n.mlx\n")
    project.commit()
    first = project.run()
    project.write("broken", "")
    project.mlx("run", "p.py", "--stack", "other", code=6)
    second = project.last()["id"]
    found = rows(mlx("runs", "compare", first, second, "-o", "json"))
    assert found["run", "status"]["values"] == ["completed", "failed"]
    assert found["run", "step load"]["values"] == ["completed", "failed"]
    assert found["run", "stack"]["values"] == ["plain", "other"]
    assert found["run", "error"]["values"][0] is None
    assert "no such table" in found["run", "error"]["values"][1]
    result = mlx("runs", "compare", first, second)
    assert "nothing differs" not in result.stderr and "no such table" in result.stdout


def test_a_step_from_the_cache_is_no_difference(home: Path, mlx: Callable[..., Result]) -> None:
    project = Project(Path.cwd())
    project.commit()
    runs = [project.run(), project.run()]
    result = mlx("runs", "compare", *runs)
    assert "nothing differs but the time" in result.stderr
    found = rows(mlx("runs", "compare", *runs, "--all", "-o", "json"))
    assert found["run", "step load"]["values"] == ["completed", "cached"]
    assert not found["run", "step load"]["differs"]


def blank(id: str, **fields: Any) -> RunRecord:
    made = RunRecord(id, f"name-{id}", "train", "plain", "completed", 1.0, 2.0)
    return replace(made, **fields)


def test_a_value_of_another_type_is_another_value(tmp_path: Path) -> None:
    history = History(tmp_path)
    values: list[Any] = [1, 1.0, True, {"n": [1]}, {"n": [1.0]}]
    for index, value in enumerate(values):
        history.begin_run(blank(f"run{index}", parameters={"n": value}), {}, "e")
    queries = RunQueries(history)
    for index in (1, 2):
        found = compare(queries, ["run0", f"run{index}"], state_dir=tmp_path, trackers=_no_tracker)
        assert [row.name for row in found.different().rows if row.kind == "param"] == ["n"]
    found = compare(queries, ["run3", "run4"], state_dir=tmp_path, trackers=_no_tracker)
    assert [row.name for row in found.different().rows if row.kind == "param"] == ["n"]


def test_curves_that_were_read_count(tmp_path: Path) -> None:
    rows = (ComparedRow("duration", "run", (1.0, 2.0), True),)
    same = {"loss": {"A": [(0.0, 1.0), (1.0, float("nan"))], "B": [(0.0, 1.0), (1.0, float("nan"))]}}
    other = {"loss": {"A": [(0.0, 1.0), (1.0, 0.5)], "B": [(0.0, 2.0), (1.0, 0.5)]}}
    only = {"loss": {"A": [(0.0, 1.0), (1.0, 0.5)]}}
    history = History(tmp_path)
    for name in ("run0", "run1"):
        history.begin_run(blank(name), {}, "e")
    heads = compare(RunQueries(history), ["run0", "run1"], state_dir=tmp_path, trackers=_no_tracker).runs
    assert Comparison(heads, rows).is_same and Comparison(heads, rows, same).is_same
    for curves in (other, only):
        compared = Comparison(heads, rows, curves)
        assert not compared.is_same and compared.other_curves == ["loss"]
        assert "Nothing differs" not in page(compared)


@pytest.fixture
def measured(home: Path) -> list[str]:
    """Two runs of the same, of which history knows the same last value of a metric."""
    project = Project(Path.cwd())
    project.commit()
    runs = [project.run(), project.run()]
    with sqlite3.connect(Path.cwd() / ".mlx" / "history.db") as db:
        db.executemany("INSERT INTO run_measures VALUES (?, 'metric', 'loss', 0.5)", [(run,) for run in runs])
    return runs


def test_that_only_final_values_were_compared_is_said(
    measured: list[str], mlx: Callable[..., Result]
) -> None:
    assert "final values" in mlx("runs", "compare", *measured).stderr
    assert "final values" not in mlx("runs", "compare", *measured, "--curves").stderr


def test_a_file_that_only_became_executable_is_not_deleted(home: Path, tmp_path: Path) -> None:
    project = Project(Path.cwd())
    project.write("old.sh", "echo 1\n")
    project.write("other.sh", "echo 2\n")
    project.commit()
    first = project.run()
    (project.folder / "old.sh").chmod(0o755)
    git(project.folder, "mv", "other.sh", "renamed.sh")
    second = project.run()
    queries = RunQueries(History(project.folder / ".mlx"))
    runs = [queries.get(first), queries.get(second)]
    before, after = files_of(runs, project.folder / ".mlx")[0]
    assert before.get("old.sh") == after.get("old.sh")
    assert "other.sh" in before and "other.sh" not in after
    assert "renamed.sh" not in before and after["renamed.sh"] == before["other.sh"]


def test_a_page_is_not_written_over_another_file(
    measured: list[str], mlx: Callable[..., Result], tmp_path: Path
) -> None:
    file = tmp_path / "thesis.html"
    file.write_text("mine")
    result = mlx("runs", "compare", *measured, "--html", str(file))
    assert result.code == 1 and "exists" in result.stderr and file.read_text() == "mine"
    assert mlx("runs", "compare", *measured, "--html", str(file), "--force").code == 0
    assert file.read_text().startswith("<!DOCTYPE html>")


def _no_tracker(name: str) -> Any:
    raise AssertionError(name)
