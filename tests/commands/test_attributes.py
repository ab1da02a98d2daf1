"""Attributes on the line: every way that people and shells write them, and the ways that go wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

REMOTE = "--tracking_uri=https://mlflow.example.com"


@pytest.fixture
def stored(mlx: Any) -> Any:
    """Register a tracker with these arguments and return the attributes that were stored."""
    Path("mlx.yaml").write_text("version: 1\n")

    def register(*arguments: str) -> dict[str, Any]:
        done = mlx("tracker", "register", "t", *arguments)
        assert done.code == 0, done.stderr
        shown = json.loads(mlx("tracker", "describe", "t", "-o", "json").stdout)
        attributes: dict[str, Any] = shown["attributes"]
        return attributes

    return register


@pytest.mark.parametrize(
    "arguments",
    [
        ("--flavor=mlflow", "--experiment_name=x", "--nested=true"),
        ("--flavor", "mlflow", "--experiment-name", "x", "--nested"),
        ("-f", "mlflow", "--experiment_name", "x", "--nested", "yes"),
        ("--nested", "--flavor=mlflow", "--experiment-name=x"),
        ("--nested", "--experiment_name", "x", "--flavor=mlflow"),
    ],
)
def test_snake_and_kebab_equals_and_blank_mean_the_same(stored: Any, arguments: tuple[str, ...]) -> None:
    assert stored(*arguments) == {"experiment_name": "x", "nested": True}


def test_the_name_may_stand_behind_the_attributes(mlx: Any) -> None:
    done = mlx("tracker", "register", "--flavor=mlflow", "--experiment_name", "x", "--nested", "late")
    assert done.code == 0, done.stderr
    assert mlx("tracker", "list", "-o", "name").stdout == "late\ndefault\n"


def test_a_boolean_takes_the_word_behind_it_only_when_it_is_one(stored: Any) -> None:
    assert stored("--nested", "false", "--flavor=mlflow") == {"nested": False}


def test_a_map_is_json(stored: Any) -> None:
    assert stored("--flavor=mlflow", '--tags={"team": "vision", "year": 2026}') == {
        "tags": {"team": "vision", "year": 2026}
    }


def test_references_are_said_back_as_they_are_stored(mlx: Any) -> None:
    done = mlx("tracker", "register", "t", "--flavor=mlflow", REMOTE, "--tracking_token={{team.token}}")
    assert done.stdout == ""
    assert done.stderr == (
        "registered experiment tracker 't' (mlflow)\n"
        "  tracking_token: <<team.token>>\n"
        "warning: no secret named 'team' yet: mlx secret create team --token\n"
    )


def test_a_value_comes_from_a_file_without_its_last_line_end(stored: Any) -> None:
    Path("name.txt").write_text("from a file\n")
    assert stored("--flavor=mlflow", "--experiment_name=@name.txt") == {"experiment_name": "from a file"}


def test_two_at_signs_are_one(stored: Any) -> None:
    assert stored("--flavor=mlflow", "--experiment_name=@@home") == {"experiment_name": "@home"}


@pytest.mark.parametrize("name", ["gone.txt", "folder", "binary"])
def test_a_file_that_cannot_be_read_is_said(mlx: Any, name: str) -> None:
    Path("folder").mkdir()
    Path("binary").write_bytes(b"\xff\xfe\x00")
    done = mlx("tracker", "register", "t", "--flavor=mlflow", f"--experiment_name=@{name}")
    assert done.code == 1
    assert f"--experiment_name: cannot read {name}: " in done.stderr


@pytest.mark.parametrize("empty", [("--tracking_username=",), ("--tracking-username", "")])
def test_an_empty_value_explains_the_here_document(mlx: Any, home: Path, empty: tuple[str, ...]) -> None:
    done = mlx("tracker", "register", "t", "--flavor=mlflow", REMOTE, *empty, "--tracking_password=<<t.p>>")
    assert done.code == 2
    assert "--tracking_username is empty" in done.stderr
    assert "without quotes" in done.stderr
    assert "here-document" in done.stderr
    assert not list(home.rglob("mlx.yaml"))


def test_an_empty_value_can_be_meant(stored: Any) -> None:
    assert stored("--flavor=mlflow", "--experiment_name=", "--allow-empty") == {"experiment_name": ""}


@pytest.mark.parametrize("stray", [" ", "   ", "\t", "...", "…"])
def test_what_pasting_leaves_behind_is_ignored_and_said(mlx: Any, stray: str) -> None:
    done = mlx("tracker", "register", "t", stray, "--flavor=mlflow", stray)
    assert done.code == 0, done.stderr
    assert done.stderr.count("note: ") == 2
    assert "ignored" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [("--experiment_name",), ("--experiment_name", "--nested"), ("--experiment_name", "-f", "mlflow")],
)
def test_an_attribute_without_a_value_is_said(mlx: Any, arguments: tuple[str, ...]) -> None:
    done = mlx("tracker", "register", "t", "--flavor=mlflow", *arguments)
    assert done.code == 2
    assert "--experiment_name needs a value" in done.stderr


def test_an_attribute_that_is_given_twice_is_said(mlx: Any) -> None:
    done = mlx("tracker", "register", "t", "--flavor=mlflow", "--experiment_name=a", "--experiment-name=b")
    assert done.code == 2
    assert "--experiment_name is given twice" in done.stderr


def test_an_unknown_attribute_is_answered_with_the_right_one(mlx: Any) -> None:
    done = mlx("tracker", "register", "t", "--flavor=mlflow", "--traking-uri=x")
    assert done.code == 4
    assert "traking_uri: flavor 'mlflow' has no such attribute (did you mean 'tracking_uri'?)" in done.stderr
    assert "mlx flavor describe mlflow" in done.stderr


def test_a_second_name_is_not_taken_for_anything(mlx: Any, home: Path) -> None:
    done = mlx("tracker", "register", "one", "two", "--flavor=mlflow")
    assert done.code == 2
    assert not list(home.rglob("mlx.yaml"))


@pytest.mark.parametrize("more", [(), ("--debug",)])
def test_a_typed_credential_is_in_no_output_and_no_log_even_when_the_command_crashes(
    mlx: Any, home: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    from mlxkit.stacks.components import ComponentService

    def crash(*arguments: Any) -> None:
        raise RuntimeError(f"cannot store {arguments[-1]}")

    monkeypatch.setattr(ComponentService, "register", crash)
    done = mlx(*more, "tracker", "register", "t", "--flavor=mlflow", "--tracking_token=hunter2-crash")
    assert done.code == 1
    assert "cannot store {'tracking_token': '***'}" in done.stderr
    logs = "".join(log.read_text() for log in home.rglob("crashes/*.log"))
    assert ("cannot store" in logs) != bool(more)
    assert "hunter2" not in done.stdout + done.stderr + logs


@pytest.mark.integration
@pytest.mark.skipif(sys.platform != "linux", reason="argument lists are rewritten on Linux only")
def test_a_typed_credential_leaves_the_list_of_processes(mlx_process: list[str], home: Path) -> None:
    Path("mlx.yaml").write_text("version: 1\n")
    os.mkfifo("wait")
    arguments = [
        "tracker",
        "register",
        "t",
        "--flavor=mlflow",
        "--tracking_token=hunter2-ps",
        "--experiment_name=@wait",
    ]
    process = subprocess.Popen([*mlx_process, *arguments], stderr=subprocess.PIPE, text=True)
    pipe = open_when_read(Path("wait"), process)
    seen = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    os.write(pipe, b"x")
    os.close(pipe)
    _, words = process.communicate(timeout=60)
    assert process.returncode == 0, words
    assert b"hunter2" not in seen


def open_when_read(pipe: Path, process: subprocess.Popen[str]) -> int:
    """Open a pipe once the process reads from it; an end of the process is a failure and no endless wait."""
    while process.poll() is None:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # nobody reads yet
            time.sleep(0.01)
    raise AssertionError(process.communicate()[1])
