"""Two people, each with a project and a home of their own, and the one server that both log to."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mlxkit.client import Client
from mlxkit.errors import ExitCode
from tests.conftest import Result
from tests.fixtures.mlflow_server import MlflowServer, free_port

PIPELINE = """
import mlflow
from mlxkit import pipeline, step

@step(experiment_tracker=True)
def fit(lr: float) -> float:
    mlflow.log_metric("rmse", lr * 2)
    if lr > 1:
        raise ValueError("too large")
    return lr

@pipeline(name={name!r})
def tracked(lr: float = 0.25) -> None:
    fit(lr)
"""


class Person:
    """Somebody with a home and a checkout."""

    def __init__(
        self, name: str, base: Path, mlx: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.home, self.project = base / name, base / name / "project"
        self._mlx, self._monkeypatch = mlx, monkeypatch
        self.project.mkdir(parents=True)

    def __call__(self, *argv: str) -> Result:
        """Type a command."""
        self._monkeypatch.setenv("HOME", str(self.home))
        self._monkeypatch.chdir(self.project)
        return self._mlx(*argv)


@pytest.fixture
def people(
    tmp_path: Path, mlx: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, mlflow_server: MlflowServer
) -> tuple[Person, Person]:
    monkeypatch.setenv("MLX_SECRET_TEAM__USER", mlflow_server.username)
    monkeypatch.setenv("MLX_SECRET_TEAM__PASSWORD", mlflow_server.password)
    both = Person("ann", tmp_path, mlx, monkeypatch), Person("bob", tmp_path, mlx, monkeypatch)
    for person in both:
        assert person("init").code == 0
        for argv in (
            ("tracker", "register", "team", "--flavor=mlflow", f"--tracking_uri={mlflow_server.uri}",
             "--tracking_username=<<team.user>>", "--tracking_password=<<team.password>>"),
            ("stack", "register", "team", "-e", "team", "--set"),
        ):  # fmt: skip
            made = person(*argv)
            assert made.code == 0, made.stderr
    return both


def test_runs_of_one_are_seen_from_the_other(
    people: tuple[Person, Person], mlflow_server: MlflowServer
) -> None:
    ann, bob = people
    name = 'ann\'s "first" `try`'
    for person, pipeline in ((ann, name), (bob, "bobs")):
        (person.project / "p.py").write_text(PIPELINE.replace("{name!r}", repr(pipeline)))
    assert ann("run", "p.py", "--tag", "keep", "--name", "good").code == ExitCode.ok
    assert ann("run", "p.py", "--lr", "2", "--name", "bad").code == ExitCode.step_failed
    assert bob("run", "p.py", "--name", "bobs own").code == ExitCode.ok
    local = {item["id"]: item for item in json.loads(ann("runs", "list", "-o", "json").stdout)}

    found = bob("runs", "list", "--team", "--pipeline", name, "-o", "json")
    assert mlflow_server.password not in found.stdout + found.stderr
    bad, good = json.loads(found.stdout)
    assert (bad["name"], bad["status"], good["name"], good["status"]) == (
        "bad",
        "failed",
        "good",
        "completed",
    )
    assert (good["user"], good["tags"], good["metrics"], good["logged_params"]) == (
        getpass.getuser(),
        ["keep"],
        {"rmse": 0.5},
        {"lr": "0.25"},
    )
    assert good["engine"] == "local" and good["host"] and not good["is_here"]
    for told in (
        good,
        bad,
    ):  # the same keys as in ann's own listing, and the same values where both know them
        mine = local[told["id"]]
        assert set(mine) < set(told)
        for key in ("name", "pipeline", "stack", "status", "kind", "tags", "metrics", "logged_params"):
            assert told[key] == mine[key], key
    assert [
        item["is_here"]
        for item in json.loads(ann("runs", "list", "--team", "--pipeline", name, "-o", "json").stdout)
    ] == [True, True]

    assert [
        item["name"]
        for item in json.loads(
            bob(
                "runs",
                "list",
                "--team",
                "--tag",
                "keep",
                "--where",
                f"pipeline = {json.dumps(name)}",
                "-o",
                "json",
            ).stdout
        )
    ] == ["good"]
    table = bob(
        "runs", "list", "--team", "-w", "metrics.rmse > 1", "--status", "failed", "--limit", "1"
    ).stdout
    cells = table.rstrip("\n").split("\t")
    assert (cells[0], cells[1], cells[2], cells[6], cells[-1]) == (
        bad["id"],
        "bad",
        "failed",
        getpass.getuser(),
        "4",
    )
    assert len(bob("runs", "list", "--team", "--limit", "2", "-o", "name").stdout.splitlines()) == 2

    missing = bob("runs", "describe", good["id"])
    assert (missing.code, "mlx runs list --team" in missing.stderr) == (ExitCode.not_found, True)
    for argv in (("runs", "url", good["id"]), ("runs", "compare", good["id"], "latest")):
        assert "mlx runs list --team" in bob(*argv).stderr
    described = bob("runs", "describe", "--team", good["id"][:-3]).stdout
    assert "metrics.rmse\t0.5\n" in described and f"user\t{getpass.getuser()}\n" in described
    assert f"tracker\t{good['tracker_urls'][0]}\n" in described
    data = json.loads(bob("runs", "describe", "--team", "good", "-o", "json").stdout)
    assert (data["id"], data["tracker_tags"]["mlx.kind"]) == (good["id"], "pipeline")
    nowhere = bob("runs", "describe", "--team", "nosuchrun")
    assert (nowhere.code, "no run 'nosuchrun'" in nowhere.stderr) == (ExitCode.not_found, True)


def test_a_server_that_is_down_is_told_of_and_shows_no_runs(
    mlx: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    assert mlx("init").code == 0
    assert mlx("tracker", "register", "t", "--flavor=mlflow", f"--tracking_uri={address}").code == 0
    assert mlx("stack", "register", "s", "-e", "t", "--set").code == 0
    down = mlx("runs", "list", "--team", "-o", "json")
    assert (down.code, down.stdout) == (ExitCode.failed, "")
    told = json.loads(down.stderr)
    assert (told["error"], told["hint"]) == ("UnreachableError", "start the server, then: mlx tracker test t")


def test_the_local_store_is_a_team_of_one(mlx: Callable[..., Result]) -> None:
    assert mlx("init").code == 0
    none = mlx("runs", "list", "--team")
    assert (none.code, none.stdout, none.stderr) == (ExitCode.ok, "", "the tracker has no such run\n")
    assert not Path(".mlx/mlflow").exists()
    Path("p.py").write_text(PIPELINE.replace("{name!r}", "'p'"))
    assert mlx("run", "p.py").code == 0
    [row] = json.loads(mlx("runs", "list", "--team", "-o", "json").stdout)
    assert (row["pipeline"], row["is_here"]) == ("p", True)
    [found] = Client().team.list(pipeline="p")
    assert Client().team.get("latest").listing.run.id == found.run.id == row["id"]
    refused = mlx("runs", "list", "--team", "--where", "parameters.lr > 1")
    assert (refused.code, "parameters.lr" in refused.stderr) == (ExitCode.usage, True)


def test_a_stack_without_a_tracker_says_what_is_missing(mlx: Callable[..., Result]) -> None:
    Path("mlx.yaml").write_text("version: 1\nstacks:\n  plain: {}\n")
    result = mlx("runs", "list", "--team")
    assert (result.code, "has no experiment tracker" in result.stderr) == (ExitCode.not_found, True)
