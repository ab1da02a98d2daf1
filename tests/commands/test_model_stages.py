"""`mlx model promote`, `rollback`, `unset` and `history`; and a shell script that decides by exit status."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

from mlxkit.errors import ExitCode
from tests.fixtures.shelf import BETTER, GOOD, ODD, Shelf

_SCRIPT = """
set -u
try() { "$@" >> out 2>> err; echo "$?"; }
try $MLX model promote iris:1 --to production --if "val_rmse <= 0.8"
try $MLX model promote iris:1 --to staging --if "val_rmse < @production.val_rmse"
try $MLX model promote iris:2 --to production --if "val_rmse <= 0.72" --if "val_rmse < @production.val_rmse"
try $MLX model promote iris:1 --to production --if "val_rmse < @production.val_rmse"
try $MLX model promote iris:2 --to production --if "val_rmse < @production.val_rmse"
try $MLX model promote iris:3 --to production --if "val_rmse < 1"
try $MLX model promote iris:1 --to production --if "val_rsme < 1"
try $MLX model promote iris:1 --to production --if "val_rmse < @champion.val_rmse"
try $MLX model promote iris:1 --to production --if "val_rmse is good"
try $MLX model promote iris:9 --to production
if $MLX model promote iris:1 --to production --if "val_rmse < 0.5" 2>/dev/null; then echo promoted; else echo kept; fi
"""


def test_a_shell_script_promotes_by_exit_status(mlx_process: list[str], local_shelf: Shelf) -> None:
    local_shelf.stock(GOOD, BETTER, ODD)
    done = subprocess.run(
        ["sh", "-c", _SCRIPT],
        env={**os.environ, "MLX": shlex.join(mlx_process)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    *codes, row, word = done.stdout.splitlines()
    assert codes == ["0", "1", "0", "1", "1", "1", "3", "3", "2", "3"], Path("err").read_text()
    assert (row, word) == ("val_rmse < 0.5\t0.75\t0.5\tno", "kept")
    assert Path("out").read_text().splitlines() == [
        "val_rmse <= 0.8\t0.75\t0.8\tyes",
        "val_rmse < @production.val_rmse\t0.75\t0.75\tno",
        "val_rmse <= 0.72\t0.7\t0.72\tyes",
        "val_rmse < @production.val_rmse\t0.7\t0.75\tyes",
        "val_rmse < @production.val_rmse\t0.75\t0.7\tno",
        "val_rmse < @production.val_rmse\t0.7\t0.7\tno",
        "val_rmse < 1\tnan\t1.0\tno",
    ]
    assert local_shelf.aliases() == {"production": 2}
    assert "iris:1 is not promoted to staging: 1 of 1 conditions does not hold" in Path("err").read_text()
    assert "Traceback" not in Path("err").read_text()


def test_promote_prints_json_whether_it_does_or_not(mlx: Any, shelf: Shelf) -> None:
    shelf.stock(GOOD)
    argv = ["model", "promote", shelf.name, "--to", "production", "-o", "json", "--if"]
    done = mlx(*argv, "val_rmse < 0.1")
    assert done.code == ExitCode.failed
    told = json.loads(done.stdout)
    assert (told["promoted"], told["is_changed"], told["previous"]) == (False, False, None)
    assert told["rows"] == [{"expression": "val_rmse < 0.1", "left": 0.75, "right": 0.1, "holds": False}]
    done = mlx(*argv, "val_rmse < 0.9", "--dry-run")
    assert (done.code, json.loads(done.stdout)["is_dry_run"]) == (ExitCode.ok, True)
    assert done.stderr == f"{shelf.name}:1 would be production\n"
    assert shelf.aliases() == {}
    done = mlx(*argv, "val_rmse < 0.9")
    assert (done.code, json.loads(done.stdout)["is_changed"]) == (ExitCode.ok, True)
    assert shelf.aliases() == {"production": 1}


def test_rows_show_every_digit_that_decides(mlx: Any, local_shelf: Shelf) -> None:
    local_shelf.stock(GOOD)
    done = mlx("model", "promote", "iris", "--to", "production", "--if", "val_rmse < 0.75000000001")
    assert (done.code, done.stdout) == (0, "val_rmse < 0.75000000001\t0.75\t0.75000000001\tyes\n")


def test_promote_points_at_what_is_wrong_with_a_condition(mlx: Any, local_shelf: Shelf) -> None:
    done = mlx("model", "promote", "iris", "--to", "production", "--if", "val_rmse = 1")
    assert done.code == ExitCode.usage
    assert "\n  val_rmse = 1\n           ^\n" in done.stderr


def test_the_way_there_and_back_is_told(mlx: Any, local_shelf: Shelf) -> None:
    local_shelf.stock(GOOD, BETTER)
    assert mlx("model", "history", "iris").stderr == "nothing was moved in 'iris' yet\n"
    assert mlx("model", "promote", "iris:1", "--to", "production").stderr == "iris:1 is production now\n"
    mlx("model", "promote", "iris:2", "--to", "staging")
    done = mlx("model", "promote", "iris@staging", "--to", "production", "--why", "better by 0.05")
    assert done.stderr == "iris:2 is production now (iris:1 was)\nit left staging\n"
    assert done.stdout == ""
    done = mlx("model", "promote", "iris:2", "--to", "production")
    assert (done.code, done.stderr) == (0, "iris:2 is production already; nothing was changed\n")
    done = mlx("model", "rollback", "iris", "--stage", "production", "--why", "too slow", "-o", "name")
    assert (done.stdout, done.stderr) == ("iris:1\n", "iris:1 is production now (iris:2 was)\n")
    done = mlx("model", "rollback", "iris", "--stage", "production")
    assert done.code == ExitCode.failed and "try: mlx model promote iris:VERSION" in done.stderr
    assert mlx("model", "unset", "iris", "--stage", "production").stderr == "iris:1 is no longer production\n"
    rows = [line.split("\t") for line in mlx("model", "history", "iris").stdout.splitlines()]
    assert [row[2:5] for row in rows] == [
        ["production", "1", ""],
        ["production", "2", "1"],
        ["staging", "2", ""],
        ["production", "1", "2"],
        ["staging", "", "2"],
        ["production", "", "1"],
    ]
    assert rows[1][6] == "too slow" and rows[3][6] == "better by 0.05"
    told = json.loads(mlx("model", "history", "iris", "--stage", "production", "-o", "json").stdout)
    assert [(move["from"], move["to"], move["kind"]) for move in told] == [
        (1, None, "unset"),
        (2, 1, "rollback"),
        (1, 2, "promote"),
        (None, 1, "promote"),
    ]
    assert mlx("model", "history", "iris", "-o", "name").code == ExitCode.ok
