"""`mlx model`: what the commands print, refuse and leave with, on a real store and a real server."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mlxkit.errors import ExitCode
from tests.fixtures.mlflow_server import free_port
from tests.fixtures.shelf import BETTER, GOOD, Shelf, write_team_project

HEAVY = ("mlflow", "pandas", "numpy", "requests", "sqlalchemy", "rich", "keyring")


def test_an_empty_registry_is_no_error(mlx: Any, empty_registry: object) -> None:
    done = mlx("model", "list")
    assert (done.code, done.stdout) == (ExitCode.ok, "")
    assert done.stderr == "no models yet; mlx model register NAME --run latest makes one\n"
    assert json.loads(mlx("model", "list", "-o", "json").stdout) == []
    done = mlx("model", "describe", "iris", "-o", "json")
    assert (done.code, done.stdout) == (ExitCode.not_found, "")
    assert json.loads(done.stderr)["hint"] == "mlx model register iris --run latest"


def test_register_by_the_tracker_s_run_keeps_the_label_and_finds_by_it(mlx: Any, shelf: Shelf) -> None:
    run = shelf.logged[GOOD].run_id
    done = mlx(
        "model", "register", shelf.name, "--run", run, "--version-tag", "1.0.0",
        "--description", "first", "--tag", "team=a", "-o", "json",
    )  # fmt: skip
    assert done.code == ExitCode.ok, done.stderr
    told = json.loads(done.stdout)
    assert (told["version"], told["version_tag"], told["description"]) == (1, "1.0.0", "first")
    assert (told["run"], told["mlflow_run_id"], told["tags"]) == ("run-a", run, {"team": "a"})
    assert told["metrics"]["val_rmse"] == 0.75
    again = mlx("model", "register", shelf.name, "--run", run, "-o", "name")
    assert (again.code, again.stdout) == (ExitCode.ok, f"{shelf.name}:1\n")
    assert "is that model already" in again.stderr
    found = mlx("model", "describe", f"{shelf.name}:1.0.0", "-o", "name")
    assert found.stdout == f"{shelf.name}:1\n"
    done = mlx("model", "register", f"{shelf.name}:2", "--run", run)
    assert done.code == ExitCode.usage


def test_lists_on_a_pipe_show_metrics_and_aliases(mlx: Any, local_shelf: Shelf) -> None:
    local_shelf.stock(GOOD, BETTER, labels=("1.0.0",))
    mlx("model", "promote", "iris:1", "--to", "production")
    name, latest, aliases, metrics, updated = mlx("model", "list").stdout.rstrip("\n").split("\t")
    assert (name, latest, aliases) == ("iris", "2", "production=1")
    assert metrics == "accuracy=0.9, eval_rmse=0.73, val loss=0.3, val_rmse=0.75"
    assert updated.startswith("20")
    rows = [line.split("\t") for line in mlx("model", "versions", "iris").stdout.splitlines()]
    assert [row[:3] for row in rows] == [["2", "", ""], ["1", "1.0.0", "production"]]
    assert "val_rmse=0.7" in rows[0][3]
    assert mlx("model", "list", "-o", "name").stdout == "iris\n"
    assert mlx("model", "versions", "iris", "-o", "name").stdout == "iris:2\niris:1\n"
    assert [
        item["version"] for item in json.loads(mlx("model", "versions", "iris", "-o", "json").stdout)
    ] == [2, 1]
    assert "version: 2" in mlx("model", "versions", "iris", "-o", "yaml").stdout


def test_describe_shows_a_model_and_a_version(mlx: Any, local_shelf: Shelf) -> None:
    local_shelf.stock(GOOD, BETTER)
    mlx("model", "promote", "iris:1", "--to", "production")
    whole = mlx("model", "describe", "iris").stdout
    assert "aliases.production\t1\n" in whole and "\n2\t" in whole
    one = mlx("model", "describe", "iris@production").stdout
    assert "stage\tproduction\n" in one and "metrics.val_rmse\t0.75\n" in one
    told = json.loads(mlx("model", "describe", "iris", "-o", "json").stdout)
    assert [item["stage"] for item in told["versions"]] == [None, "production"]
    assert mlx("model", "describe", "iris", "-o", "name").stdout == "iris\n"


def test_unknown_models_versions_aliases_and_stages_are_not_found(mlx: Any, local_shelf: Shelf) -> None:
    local_shelf.stock(GOOD, labels=("1.0.0",))
    mlx("model", "promote", "iris", "--to", "production")
    for words, *argv in (
        ("did you mean 'iris'?", "describe", "irsi"),
        ("did you mean 'iris'?", "versions", "irsi"),
        ("did you mean 'iris'?", "history", "irsi"),
        ("did you mean 'iris'?", "rollback", "irsi", "--stage", "production"),
        ("did you mean 'iris'?", "delete", "irsi", "--yes"),
        ("did you mean 'iris'?", "tag", "irsi", "a=b"),
        ("did you mean 'iris'?", "update", "irsi", "--description", "x"),
        ("it has: 1 (1.0.0)", "describe", "iris:2"),
        ("did you mean '1.0.0'?", "promote", "iris:1.0", "--to", "staging"),
        ("did you mean 'production'?", "describe", "iris@produktion"),
        ("it has: production", "unset", "iris", "--stage", "staging"),
    ):
        done = mlx("model", *argv)
        assert (done.code, done.stdout) == (ExitCode.not_found, ""), argv
        assert words in done.stderr, argv
        assert "try: " in done.stderr, argv


def test_tags_and_descriptions_are_changed(mlx: Any, local_shelf: Shelf) -> None:
    local_shelf.stock(GOOD)
    assert mlx("model", "tag", "iris:1", "a=1", "b=x=y").stderr == "iris:1 has the tags a=1, b=x=y\n"
    assert mlx("model", "tag", "iris:1", "--remove", "a").stderr == "iris:1 has the tags b=x=y\n"
    assert mlx("model", "tag", "iris:1", "nonsense").code == ExitCode.usage
    assert mlx("model", "tag", "iris:1", "=x").code == ExitCode.usage
    assert mlx("model", "tag", "iris:1").code == ExitCode.usage
    assert mlx("model", "tag", "iris:1", "mlx.run_id=x").code == ExitCode.usage
    assert (
        mlx("model", "update", "iris:1", "--version-tag", "2.0.0", "--description", "d").code == ExitCode.ok
    )
    told = json.loads(mlx("model", "describe", "iris:2.0.0", "-o", "json").stdout)
    assert (told["description"], told["version_tag"], told["tags"]) == ("d", "2.0.0", {"b": "x=y"})


def test_delete_asks_and_refuses(mlx: Any, local_shelf: Shelf) -> None:
    local_shelf.stock(GOOD, BETTER)
    mlx("model", "promote", "iris:2", "--to", "production")
    done = mlx("model", "delete", "iris:1")
    assert done.code == ExitCode.usage and "add --yes" in done.stderr
    done = mlx("model", "delete", "iris", "--yes")
    assert done.code == ExitCode.failed and "is production" in done.stderr
    done = mlx("model", "delete", "iris:1", "--yes")
    assert (done.code, done.stderr) == (0, "deleted version 1 of model 'iris'\n")
    done = mlx("model", "delete", "iris@production", "--yes", "--force")
    assert done.stderr == "deleted version 2 of model 'iris'\nnothing is production any more\n"
    assert mlx("model", "versions", "iris", "-o", "json").stdout == "[]\n"
    assert mlx("model", "delete", "iris", "--yes").code == ExitCode.ok
    assert mlx("model", "list", "-o", "name").stdout == ""


def test_a_server_that_is_down_and_wrong_credentials_have_their_codes(
    mlx: Any, server_shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLX_SECRET_SERVER__PASSWORD", "S3CR3T-wrong")
    done = mlx("model", "list")
    assert (done.code, done.stdout) == (ExitCode.credentials, "")
    assert "refused the user name or password" in done.stderr and "S3CR3T" not in done.stderr
    write_team_project(f"http://127.0.0.1:{free_port()}")
    for argv in (["list"], ["promote", "iris:1", "--to", "production"], ["delete", "iris", "--yes"]):
        done = mlx("model", *argv)
        assert (done.code, done.stdout) == (ExitCode.failed, ""), argv
        assert "nothing listens" in done.stderr


def test_a_stack_without_a_tracker_is_refused_with_the_reason(mlx: Any, project: Path) -> None:
    done = mlx("model", "list")
    assert done.code == ExitCode.configuration
    assert "a model registry works through an MLflow tracker" in done.stderr


@pytest.mark.parametrize("argv", [["list"], ["versions", "NAME"], ["promote", "NAME:1", "--to", "staging"]])
def test_nothing_heavy_is_imported(mlx_process: list[str], shelf: Shelf, argv: list[str]) -> None:
    shelf.stock(GOOD)
    code = (
        "import sys; from mlxkit.commands.app import main; code = main(sys.argv[1:]);"
        f"print([name for name in {HEAVY!r} if name in sys.modules], code)"
    )
    words = [word.replace("NAME", shelf.name) for word in argv]
    done = subprocess.run(
        [mlx_process[0], "-c", code, "model", *words], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[] 0", done.stderr
