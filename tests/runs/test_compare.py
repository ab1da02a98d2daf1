"""Runs side by side, from real runs, and as a page in a real browser."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Result
from tests.fixtures.browser import Browser
from tests.runs.test_code import git
from tests.runs.test_rerun import Project

TRACKED = """
    import math
    from mlxkit import pipeline, step

    @step(experiment_tracker=True)
    def fit(lr: float, n: int) -> float:
        import mlflow
        mlflow.log_param("kind", f"sgd<script>alert({n})</script>")
        mlflow.log_metrics({"accuracy": 1 - lr, "pinball": lr, "eval/loss": lr})
        with mlflow.start_run(nested=True):
            mlflow.log_metric("inner_rmse", 2.0 * lr)
        for i in range(n):
            mlflow.log_metric("train_loss", math.exp(-lr * i), step=i)
        return lr

    @pipeline
    def train(lr: float = 0.1, n: int = 3) -> None:
        fit(lr, n)
"""


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two tracked runs on a local store, each in a process of its own."""
    folder = tmp_path_factory.mktemp("tracked")
    (folder / "mlx.yaml").write_text(
        "version: 1\nexperiment_trackers:\n  t: {flavor: mlflow}\nstacks:\n  s: {experiment_tracker: t}\n"
    )
    (folder / "t.py").write_text(textwrap.dedent(TRACKED))
    for words in (["--lr", "0.1"], ["--lr", "0.3", "--n", "40"]):
        subprocess.run(
            [sys.executable, "-m", "mlxkit", "run", "t.py", *words], cwd=folder, check=True, capture_output=True, timeout=300
        )  # fmt: skip
    return folder


def ids(folder: Path) -> list[str]:
    """Return the ids of the runs, the oldest first."""
    with sqlite3.connect(folder / ".mlx" / "history.db") as db:
        return [row[0] for row in db.execute("SELECT id FROM runs ORDER BY started")]


def rows(result: Result) -> dict[tuple[str, str], dict[str, Any]]:
    assert result.code == 0, result.stderr
    return {(row["kind"], row["name"]): row for row in json.loads(result.stdout)["rows"]}


@pytest.fixture
def in_tracked(tracked: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tracked)
    return ids(tracked)


def test_only_what_differs_and_the_best_of_each_metric(
    mlx: Callable[..., Result], in_tracked: list[str]
) -> None:
    found = rows(result := mlx("runs", "compare", *in_tracked, "-o", "json"))
    data = json.loads(result.stdout)
    assert data["schema_version"] == 1 and [run["letter"] for run in data["runs"]] == ["A", "B"]
    assert found["param", "lr"]["values"] == [0.1, 0.3] and found["param", "n"]["values"] == [3, 40]
    assert ("logged param", "lr") not in found, "it is the parameter again"
    assert found["logged param", "kind"]["values"][0] == "sgd<script>alert(3)</script>"
    assert found["metric", "accuracy"]["best"] == ["A"] and found["metric", "eval/loss"]["best"] == ["A"]
    assert found["metric", "train_loss"]["best"] == ["B"] and found["metric", "inner_rmse"]["values"] == [
        0.2,
        0.6,
    ]
    assert found["metric", "pinball"]["best"] == [] and "pinball" in " ".join(data["notes"])
    assert "parameter lr changed" in found["step", "fit"]["values"][1]
    assert ("data", "fit.output") in found and not [key for key in found if key[0] in ("code", "environment")]
    assert all(row["differs"] for row in found.values()) and data["curves"] == {}
    everything = rows(mlx("runs", "compare", *in_tracked, "-o", "json", "--all", "--lower", "pinball"))
    assert (
        everything["metric", "pinball"]["best"] == ["A"]
        and not everything["environment", "python"]["differs"]
    )
    assert rows(mlx("runs", "compare", *in_tracked, "-o", "json", "--higher", "train_loss"))["metric", "train_loss"]["best"] == ["A"]  # fmt: skip
    assert mlx("runs", "compare", *in_tracked, "--lower", "pinbal").code == 2
    assert mlx("runs", "compare", in_tracked[0], in_tracked[0]).code == 2
    assert mlx("runs", "compare", in_tracked[0], "nothing").code == 3


def test_the_table_has_a_letter_a_run_and_a_star_for_the_best(
    mlx: Callable[..., Result], in_tracked: list[str]
) -> None:
    result = mlx("runs", "compare", *in_tracked)
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    assert [line[:2] for line in lines[:2]] == [["A", in_tracked[0]], ["B", in_tracked[1]]]
    assert ["metric", "accuracy", "0.9 *", "0.7"] in lines and ["metric", "pinball", "0.1", "0.3"] in lines
    assert "no best value is marked of pinball" in result.stderr


def test_curves_come_from_the_tables_of_mlflow(mlx: Callable[..., Result], in_tracked: list[str]) -> None:
    result = mlx("runs", "compare", *in_tracked, "--curves")
    chart = result.stdout[result.stdout.index("\ntrain_loss\n") :]
    assert "accuracy\n" not in chart, "one value is no curve"
    assert re.search(r"^ +1 │.*$", chart, re.MULTILINE) and chart.rstrip().endswith("39")
    data = json.loads(mlx("runs", "compare", *in_tracked, "--curves", "-o", "json").stdout)
    assert list(data["curves"]) == ["train_loss"] and len(data["curves"]["train_loss"]["B"]) == 40
    assert data["curves"]["train_loss"]["A"][0] == [0.0, 1.0]


def test_ascii_where_the_terminal_has_no_more(in_tracked: list[str]) -> None:
    import os

    done = subprocess.run(
        [sys.executable, "-m", "mlxkit", "runs", "compare", *in_tracked, "--curves"], capture_output=True, timeout=120,
        env={**os.environ, "PYTHONIOENCODING": "ascii"}, check=True,
    )  # fmt: skip
    chart = done.stdout.decode("ascii")
    assert "\ntrain_loss\n" in chart and "BBBB" in chart and "|" in chart


def test_the_page_shows_it_all_in_a_browser_and_runs_nothing(
    mlx: Callable[..., Result], in_tracked: list[str], browser: Browser, tmp_path: Path
) -> None:
    page = tmp_path / "compared.html"
    result = mlx("runs", "compare", *in_tracked, "--html", str(page))
    assert result.code == 0 and f"comparison written to {page}" in result.stderr
    text = page.read_text()
    assert "http" not in text.replace("http-equiv", "") and "<script" not in text
    shown = browser.render(page)
    assert shown.console == ()
    assert "&lt;script&gt;alert(3)" in shown.dom
    assert 'class="best" title="best">0.9<' in shown.dom
    assert shown.dom.count("<svg") == 1 and shown.dom.count('d="M') == 3, "an axis and two curves"
    pictures = [
        browser.screenshot(page, tmp_path / f"{dark}.png", dark=dark).read_bytes() for dark in (False, True)
    ]
    assert pictures[0] != pictures[1], "light and dark"


def test_runs_of_before_metrics_were_kept_are_asked_of_the_tracker(
    mlx: Callable[..., Result], in_tracked: list[str], tracked: Path
) -> None:
    with sqlite3.connect(tracked / ".mlx" / "history.db") as db:
        kept = db.execute("SELECT * FROM run_measures").fetchall()
        db.execute("DELETE FROM run_measures")
    try:
        found = rows(mlx("runs", "compare", *in_tracked, "-o", "json"))
        assert found["metric", "accuracy"]["values"] == [0.9, 0.7] and ("logged param", "kind") in found
    finally:
        with sqlite3.connect(tracked / ".mlx" / "history.db") as db:
            db.executemany("INSERT INTO run_measures VALUES (?, ?, ?, ?)", kept)


def test_a_server_that_is_down_is_said_in_one_line(
    mlx: Callable[..., Result], in_tracked: list[str], tracked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (tracked / "mlx.yaml").read_text()
    (tracked / "mlx.yaml").write_text(
        text.replace("{flavor: mlflow}", "{flavor: mlflow, tracking_uri: 'http://127.0.0.1:9'}")
    )
    try:
        result = mlx("runs", "compare", *in_tracked, "--curves")
        assert result.code == 0 and "accuracy" in result.stdout
        assert len([line for line in result.stderr.splitlines() if "curves are left out" in line]) == 1
    finally:
        (tracked / "mlx.yaml").write_text(text)


def test_code_is_compared_by_commit_file_and_the_parts_of_the_key(
    home: Path, mlx: Callable[..., Result]
) -> None:
    project = Project(Path.cwd())
    project.commit()
    first = project.run()
    project.write("helper.py", "def factor(x): return x * 11\n")
    second = project.run()
    project.commit()
    third = project.run("p.py", "--stack", "plain", "--no-cache")
    data = json.loads(mlx("runs", "compare", first, second, third, "-o", "json").stdout)
    found = {(row["kind"], row["name"]): row["values"] for row in data["rows"]}
    commits = found["code", "commit"]
    assert commits[0] == commits[1] != commits[2] and len(set(commits)) == 2
    assert found["code", "uncommitted"] == [None, "helper.py", None]
    blobs = found["file", "helper.py"]
    assert blobs[0] != blobs[1] == blobs[2] and ("file", "p.py") not in found
    assert found["step", "scale"] == ["compared with"] + ["helper `factor` changed"] * 2
    assert ("step", "load") not in found and found["data", "scale.output"][0] != found[
        "data", "scale.output"
    ][1]
    (project.folder / "helper.py").unlink()
    git(project.folder, "add", ".")
    assert mlx("runs", "compare", first, third).code == 0


def test_kept_sources_are_the_same_files_as_those_of_git(home: Path, mlx: Callable[..., Result]) -> None:
    project = Project(Path.cwd())
    first = project.run()
    project.commit()
    second = project.run()
    result = mlx("runs", "compare", first, second, "--all", "-o", "json")
    found = {row["name"]: row for row in json.loads(result.stdout)["rows"] if row["kind"] == "file"}
    assert found.keys() == {"helper.py", "p.py"} and not any(row["differs"] for row in found.values())


def test_nothing_differs_is_said(home: Path, mlx: Callable[..., Result]) -> None:
    project = Project(Path.cwd())
    project.commit()
    runs = [project.run(), project.run("p.py", "--no-cache")]
    result = mlx("runs", "compare", *runs)
    assert result.code == 0 and "nothing differs but the time" in result.stderr
