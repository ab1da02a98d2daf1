"""The page of a run on its tracker: when there is one, what is in it, and what happens when it cannot be put there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlxkit.pipelines.attaching import NAME, attach_graph
from tests.runs.graphs import run, step

LINK = {"experiment_tracker_url": "http://127.0.0.1:5000/#/experiments/1/runs/2"}

PIPELINE = """
    import os, shutil
    from pathlib import Path
    from mlxkit import pipeline, step

    @step(experiment_tracker="t")
    def load(rows: int) -> int:
        return rows

    @step
    def use(rows: int) -> int:
        if rows == 13:
            raise ValueError("an unlucky number")
        if rows == 7:
            for folder in Path(".mlx/mlflow/artifacts").glob("*"):
                shutil.rmtree(folder)
            shutil.rmtree(".mlx/mlflow/artifacts")
            Path(".mlx/mlflow/artifacts").write_text("in the way")
        return rows

    @pipeline
    def train(rows: int = 1) -> None:
        use(load(rows))
"""


class Taking:
    """A tracker's run that keeps what it is given, or refuses it."""

    def __init__(self, refuses: Exception | None = None) -> None:
        self.taken: dict[str, bytes] = {}
        self._refuses = refuses

    def attach(self, name: str, content: bytes) -> None:
        if self._refuses is not None:
            raise self._refuses
        self.taken[name] = content


def attached(tracking: Any, tmp_path: Path, **fields: Any) -> list[str]:
    """Attach the graph of a run of two steps and return what was said."""
    said: list[str] = []
    steps = [step("load", metadata=LINK), step("fit", ["load"])]
    attach_graph(run(**fields), steps, {"team": tracking}, tmp_path, said.append)
    return said


def test_the_page_of_a_run_is_given_to_its_tracker(tmp_path: Path) -> None:
    tracking = Taking()
    assert attached(tracking, tmp_path) == []
    assert [*tracking.taken] == [NAME] == ["mlx/graph.html"]
    assert tracking.taken[NAME].startswith(b"<!doctype html>")


@pytest.mark.parametrize("word", ["0", "false", "no", "off", " OFF "])
def test_a_variable_switches_it_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setenv("MLX_GRAPH", word)
    tracking = Taking()
    attached(tracking, tmp_path)
    assert tracking.taken == {}


def test_a_script_has_none(tmp_path: Path) -> None:
    tracking = Taking()
    attached(tracking, tmp_path, kind="script")
    assert tracking.taken == {}


def test_a_run_that_logged_nothing_has_none(tmp_path: Path) -> None:
    tracking = Taking()
    attach_graph(run(), [step("load")], {"team": tracking}, tmp_path, [].append)  # type: ignore[dict-item]
    assert tracking.taken == {}


def test_a_refusal_is_a_detail_and_the_other_trackers_still_get_theirs(tmp_path: Path) -> None:
    said: list[str] = []
    second = Taking()
    steps = [step("load", metadata=LINK)]
    trackings: Any = {"first": Taking(OSError("disk full")), "second": second}
    attach_graph(run(), steps, trackings, tmp_path, said.append)
    assert said == ["tracker 'first' did not take mlx/graph.html: disk full"]
    assert NAME in second.taken


@pytest.fixture
def tracked(write: Callable[..., Path]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a pipeline with a local MLflow store in a process of its own."""
    write(
        "mlx.yaml",
        "version: 1\nexperiment_trackers:\n  t: {flavor: mlflow}\nstacks:\n  s: {experiment_tracker: t}\n",
    )
    write("p.py", PIPELINE)

    def go(*argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "mlxkit", "run", "p.py", *argv], env={**os.environ, **environment},
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    return go


def pages() -> list[Path]:
    return sorted(Path(".mlx/mlflow/artifacts").rglob("graph.html"), key=lambda path: path.stat().st_mtime_ns)


def test_real_runs_leave_their_page_however_they_end(
    tracked: Callable[..., subprocess.CompletedProcess[str]], mlx: Any
) -> None:
    assert tracked().returncode == 0
    assert tracked().returncode == 0  # from the cache
    assert tracked("--rows", "13").returncode == 6
    done, cached, failed = (path.read_text("utf-8") for path in pages())
    assert [len(re.findall(r'class="step (\w+)"', text)) for text in (done, cached, failed)] == [2, 2, 2]
    assert 'class="step cached"' in cached
    assert "an unlucky number" in failed
    [run_id] = {path.parts[-4] for path in pages()[:1]}
    told = json.loads(mlx("runs", "describe", run_id, "-o", "json").stdout)
    assert told["name"] in done  # it lies with the MLflow run of this very run
    assert tracked("--no-cache", MLX_GRAPH="0").returncode == 0
    assert len(pages()) == 3


def test_a_place_that_cannot_be_written_does_not_fail_the_run(
    tracked: Callable[..., subprocess.CompletedProcess[str]], mlx: Any
) -> None:
    result = tracked("--rows", "7")
    assert result.returncode == 0, result.stderr
    assert "did not take mlx/graph.html" in result.stderr
    assert json.loads(mlx("runs", "describe", "-o", "json").stdout)["status"] == "completed"
