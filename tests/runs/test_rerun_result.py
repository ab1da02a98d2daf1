"""Whether a rerun is said to be what its run was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlxkit.runs.history import History
from mlxkit.runs.queries import RunQueries
from mlxkit.runs.records import OutputRecord, RunRecord, StepRecord
from mlxkit.runs.rerun_result import RerunResult, compare_runs
from tests.runs.test_rerun import Project, project

__all__ = ["project"]


def compared(folder: Path, *steps: tuple[str, str, bool]) -> RerunResult:
    """Compare two runs of one step, each given by its status, cache key, and whether it has an output."""
    history = History(folder)
    for name, (status, key, has_output) in zip(("old", "new"), steps, strict=True):
        history.begin_run(RunRecord(name, name, "train", "plain", "completed", 1.0), {}, "e")
        outputs = (OutputRecord("output", "d1", "m", "int", 1),) if has_output else ()
        history.record_step(
            StepRecord(f"s-{name}", name, "load", 0, status, 1.0, 2.0, cache_key=key, outputs=outputs)
        )
    return compare_runs(RunQueries(history), "old", "new")


@pytest.mark.parametrize(
    ("old", "new", "is_same"),
    [
        (("completed", "k", True), ("completed", "k", True), True),
        (("completed", "k", True), ("cached", "k", True), True),
        (("completed", "k", False), ("cached", "k", False), True),
        (("failed", "k", False), ("failed", "k", False), True),
        (("completed", "k", True), ("failed", "k", False), False),
        (("failed", "k", False), ("completed", "k", True), False),
        (("completed", "k", True), ("killed", "k", False), False),
        (("completed", "k", True), ("skipped", "k", False), False),
        (("completed", "k", True), ("completed", "other", True), False),
    ],
)
def test_a_step_that_ended_another_way_is_not_the_same(
    tmp_path: Path, old: Any, new: Any, is_same: bool
) -> None:
    found = compared(tmp_path, old, new)
    assert found.is_same == is_same and bool(found.different()) != is_same
    if old[0] != new[0] and not is_same:
        assert not found.same_outputs and found.steps[0].same_outputs is None
        assert f"{old[0]} before" in found.steps[0].why


def test_a_rerun_that_fails_is_not_the_same(project: Project) -> None:
    flag = project.folder / "broken"
    project.write("helper.py", f"""
        import os
        def factor(x):
            if os.path.exists({str(flag)!r}):
                raise ValueError("broken")
            return x * 10
    """)  # fmt: skip
    project.commit()
    run = project.run()
    flag.touch()
    _, result, err = project.rerun(run, "--no-cache", code=6)
    assert result["status"] == "failed" and result["same_outputs"] is False
    out, err = project.mlx("runs", "rerun", run, "--no-cache", code=6)
    assert "same cache keys" not in err and "scale\tfailed" in out


def test_the_exit_status_says_whether_it_is_the_same(project: Project) -> None:
    project.write("p.py", """
        import time
        from mlxkit import pipeline, step

        @step
        def chance() -> int:
            return time.time_ns()

        @pipeline
        def train() -> None:
            chance()
    """)  # fmt: skip
    run = project.run()
    assert project.rerun(run, code=0)[1]["same_outputs"] is True
    assert project.rerun(run, "--no-cache", code=1)[1]["same_outputs"] is False
