"""What killed processes and stubborn files leave behind: it is told, cleaned up, and keeps nothing else from it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mlxkit import Client
from mlxkit.runs.deletion import delete_runs, free_released
from mlxkit.runs.history import History
from mlxkit.runs.queries import RunQueries
from mlxkit.runs.records import RunRecord, StepRecord
from mlxkit.runs.search import RunFilter, search
from mlxkit.runs.sweep import sweep
from tests.conftest import Result
from tests.runs.test_code import git
from tests.runs.test_deletion import PIPELINE, _stored
from tests.runs.test_rerun import Project

MLX = Callable[..., Result]


@pytest.fixture
def released(mlx: MLX) -> list[Path]:
    """A project with content that a deleted run has left; the first of it cannot be removed."""
    assert mlx("init").code == 0
    Path("p.py").write_text(PIPELINE)
    assert mlx("run", "p.py").code == 0
    history = Client().history
    delete_runs(history, RunQueries(history).list())
    first, *rest = sorted(_stored())
    first.unlink()
    first.mkdir()  # a folder goes by way of the drafts, of which there can be none
    drafts = Path(".mlx/artifacts/drafts")
    for path in drafts.iterdir():
        path.rmdir()
    drafts.rmdir()
    drafts.write_text("")
    return [first, *rest]


def test_content_that_cannot_be_removed_is_told_and_keeps_nothing_else(
    released: list[Path], mlx: MLX
) -> None:
    history = Client().history
    history.connection.execute("INSERT INTO releases VALUES ('default', '../../etc/passwd')")
    freed = free_released(history, lambda _: Client().session.store)
    assert (freed.artifacts, freed.kept, len(freed.failed)) == (len(released) - 1, 2, 2)
    assert [path.exists() for path in released] == [True] + [False] * (len(released) - 1)
    told = mlx("runs", "prune", "--keep", "9", "--yes")
    assert told.code == 0 and str(released[0].name) in told.stderr and "etc/passwd" in told.stderr
    assert "--shared-store" not in told.stderr
    left = {row["uri"] for row in history.connection.execute("SELECT uri FROM releases")}
    assert len(left) == 2, "they are tried again"
    Path(".mlx/artifacts/drafts").unlink()
    assert mlx("runs", "prune", "--keep", "9", "--yes").code == 0
    assert not released[0].exists()


def test_content_of_nobody_that_cannot_be_removed_is_told_too(released: list[Path], mlx: MLX) -> None:
    history = Client().history
    history.connection.execute("DELETE FROM releases")
    two_days_ago = time.time() - 2 * 86400
    for path in released:
        os.utime(path, (two_days_ago, two_days_ago))
    told = mlx("runs", "prune", "--keep", "9", "--yes")
    assert told.code == 0
    assert "that no run referred to" in told.stderr
    assert f"warning: kept {Path('.mlx/artifacts').absolute()}" in told.stderr
    assert str(released[0].name) in told.stderr
    assert [path.exists() for path in released] == [True] + [False] * (len(released) - 1)


def blank(id: str, started: float) -> RunRecord:
    return RunRecord(id, f"name-{id}", "train", "plain", "running", started)


@pytest.mark.parametrize(
    ("has_log", "has_step"), [(True, False), (False, True), (True, True), (False, False)]
)
def test_a_killed_run_lasted_until_its_last_sign(tmp_path: Path, has_log: bool, has_step: bool) -> None:
    history = History(tmp_path)
    started = time.time() - 1000
    history.begin_run(blank("dead", started), {}, "e")
    if has_step:
        history.record_step(StepRecord("s", "dead", "load", 0, "completed", started, started + 50))
    if has_log:
        log = tmp_path / "logs" / "dead" / "0-load.log"
        log.parent.mkdir(parents=True)
        log.write_text("epoch 1\n")
        os.utime(log, (started + 700,) * 2)
    assert sweep(history, lambda name: pytest.fail(name)) == ["dead"]
    run = RunQueries(history).get("dead")
    assert run.status == "interrupted"
    expected = 700 if has_log else 50 if has_step else None
    assert run.duration == (expected if expected is None else pytest.approx(expected, abs=0.01))
    if expected is None:  # it does not go on growing
        assert not search(history, RunFilter(where=["duration > 1s"])).runs


def test_a_clock_that_went_back_makes_no_negative_duration() -> None:
    run = replace(blank("a", 100.0), status="completed", ended=50.0)
    step = StepRecord("s", "a", "load", 0, "completed", 100.0, 50.0)
    assert run.duration is None and run.to_dict()["duration"] is None
    assert step.duration == 0.0 and step.to_dict()["duration"] is None


def test_pruning_removes_what_a_killed_rerun_left(home: Path, mlx: MLX) -> None:
    project = Project(Path.cwd())
    project.commit()
    place = project.folder / ".mlx" / "reruns" / "0123456789ab"
    project.run()
    place.mkdir(parents=True)
    git(project.folder, "worktree", "add", "-q", "--detach", str(place / "work"))
    (place / ".repository").write_text(str(project.folder / ".git"))
    assert not project.is_clean()
    assert "rerun" not in mlx("runs", "prune", "--keep", "9", "--dry-run").stderr and place.exists()
    result = mlx("runs", "prune", "--keep", "9", "--yes")
    assert result.code == 0 and "rerun" in result.stderr
    assert not place.exists() and project.is_clean()
