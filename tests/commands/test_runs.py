"""`mlx runs`: listing, describing and tagging what was run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlxkit.errors import ExitCode
from tests.conftest import Result

PIPELINE = """
from mlxkit import pipeline, step

@step
def load(n: int) -> list:
    print("loading", n)
    return list(range(n))

@step
def fit(rows: list, lr: float) -> float:
    print("fitting")
    if lr > 1:
        raise ValueError("lr is too large")
    return lr

@pipeline
def train(n: int = 3, lr: float = 0.5) -> None:
    fit(load(n), lr)
"""


@pytest.fixture
def ran(mlx: Callable[..., Result]) -> Callable[..., Result]:
    assert mlx("init").code == 0
    Path("p.py").write_text(PIPELINE)
    assert mlx("run", "p.py").code == 0
    assert mlx("run", "p.py", "--lr", "0.25", "--name", "small").code == 0
    assert mlx("run", "p.py", "--lr", "2", "--name", "large").code == ExitCode.step_failed
    return mlx


def _names(result: Result) -> list[str]:
    assert result.code == 0, result.stderr
    return [row["name"] for row in json.loads(result.stdout)]


def test_listing_takes_filters_sorts_and_shows_what_they_name(ran: Callable[..., Result]) -> None:
    assert _names(ran("runs", "list", "--status", "failed", "-o", "json")) == ["large"]
    assert _names(ran("runs", "list", "--where", "parameters.lr < 0.4", "-o", "json")) == ["small"]
    assert _names(ran("runs", "list", "--since", "1h", "--until", "today", "--limit", "1", "-o", "json")) == [
        "large"
    ]
    assert _names(ran("runs", "list", "--since", "2999-01-01", "-o", "json")) == []
    plain = ran("runs", "list", "--where", "parameters.lr < 1", "--sort", "-parameters.lr").stdout
    rows = [line.split("\t") for line in plain.splitlines()]
    assert [row[-1] for row in rows] == ["0.5", "0.25"]
    assert all(len(row[0]) == 16 for row in rows)  # whole ids on a pipe
    nothing = ran("runs", "list", "--pipeline", "nobody")
    assert (nothing.code, nothing.stdout) == (0, "")
    assert "no pipeline 'nobody' has run" in nothing.stderr


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (["--where", "metrics.rmse < 0.8"], ExitCode.not_found, "no run logged a metric 'rmse'"),
        (["--where", "lr < 1"], ExitCode.usage, "no field 'lr'"),
        (["--status", "faild"], ExitCode.usage, "did you mean 'failed'"),
        (["--since", "soon"], ExitCode.usage, "'soon' is no time"),
        (["--sort", "size"], ExitCode.usage, "no field 'size'"),
        (["--team", "--refresh"], ExitCode.usage, "those that the tracker knows"),
    ],
)
def test_what_listing_cannot_understand_is_said(
    ran: Callable[..., Result], argv: list[str], code: ExitCode, said: str
) -> None:
    result = ran("runs", "list", *argv)
    assert result.code == code
    assert said in result.stderr


def test_describing_shows_steps_artifacts_errors_and_the_environment(ran: Callable[..., Result]) -> None:
    text = ran("runs", "describe", "large").stdout
    assert "fit\tfailed" in text and "ValueError: lr is too large" in text
    assert "load::output\tlist\t" in text
    assert "platform\t" in text
    assert "pytest" not in text
    assert "pytest\t" in ran("runs", "describe", "large", "--environment").stdout
    data: dict[str, Any] = json.loads(ran("runs", "describe", "small", "-o", "json").stdout)
    assert data["schema_version"] == 1
    assert {"metrics", "logged_params", "tags", "tracker_urls", "environment", "code"} <= set(data)
    load, fit = data["steps"]
    assert (load["status"], fit["status"]) == ("cached", "completed")
    assert "same as in run" in load["reason"] and load["cached_from"]
    assert set(load["outputs"]["output"]) >= {"type", "size", "digest"}
    assert "pytest" in data["environment"]["distributions"]


def test_tags_are_set_listed_searched_and_removed(ran: Callable[..., Result]) -> None:
    said = ran("runs", "tag", "small", "keep", "team=vision")
    assert said.code == 0 and "keep, team=vision" in said.stderr and said.stdout == ""
    assert ran("runs", "tag", "small").stdout == "keep\nteam=vision\n"
    assert _names(ran("runs", "list", "--tag", "team", "-o", "json")) == ["small"]
    assert ran("runs", "tag", "small", "kept", "--remove").code == ExitCode.not_found
    assert ran("runs", "tag", "small", "team", "--remove").code == 0
    assert json.loads(ran("runs", "describe", "small", "-o", "json").stdout)["tags"] == ["keep"]
    assert ran("runs", "tag", "small", "a\x1b[31mb").code == ExitCode.usage


def test_a_run_that_was_not_tracked_has_no_address(ran: Callable[..., Result]) -> None:
    result = ran("runs", "url", "small")
    assert result.code == ExitCode.not_found
    assert "was not tracked" in result.stderr


def test_a_read_only_project_is_listed_and_described_and_not_tagged(
    ran: Callable[..., Result], mlx_read_only: Callable[..., Result]
) -> None:
    ran("runs", "tag", "small", "keep")
    assert _names(mlx_read_only("runs", "list", "--tag", "keep", "-o", "json")) == ["small"]
    assert mlx_read_only("runs", "describe", "small").code == 0
    assert mlx_read_only("runs", "logs", "small").stdout == "fitting\n"
    refused = mlx_read_only("runs", "tag", "small", "more")
    assert refused.code == ExitCode.failed
    assert "cannot be written" in refused.stderr


def test_a_pipeline_is_described_by_its_runs(ran: Callable[..., Result]) -> None:
    data = json.loads(ran("pipeline", "describe", "train", "-o", "json").stdout)
    assert (data["runs"], data["last_status"], data["statuses"]) == (
        3,
        "failed",
        {"completed": 2, "failed": 1},
    )
    assert data["duration"] > 0
    assert [run["name"] for run in data["recent"]][:2] == ["large", "small"]
    assert ran("runs", "delete", "large", "--yes").code == 0
    (listed,) = json.loads(ran("pipeline", "list", "-o", "json").stdout)
    assert (listed["runs"], listed["last_status"]) == (2, "completed")
    text = ran("pipeline", "describe", "train").stdout
    assert "statuses.completed\t2\n" in text and "\tsmall\t" in text
    assert ran("pipeline", "describe", "trian").code == ExitCode.not_found


def test_a_session_tags_its_runs_and_refuses_what_is_no_tag_before_anything_runs(
    ran: Callable[..., Result],
) -> None:
    from mlxkit.errors import UsageError
    from mlxkit.pipelines.loader import Target, run_file
    from mlxkit.pipelines.session import RunOptions, Session

    target = Target.parse("p.py")
    run_file(Session(RunOptions(file=target.file, tags=["nightly", "team=a"])), target, [])
    with pytest.raises(UsageError, match="is no tag"):
        run_file(Session(RunOptions(file=target.file, tags=["a\nb"])), target, [])
    (found,) = json.loads(ran("runs", "list", "--tag", "nightly", "-o", "json").stdout)
    assert found["tags"] == ["nightly", "team=a"]
    assert len(json.loads(ran("runs", "list", "-o", "json").stdout)) == 4
