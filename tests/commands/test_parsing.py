"""Every word of a command line that is nearly right is met with the right one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

NAMES = """\
version: 1
default_stack: local
experiment_trackers:
  server: {flavor: mlflow}
stacks:
  local: {experiment_tracker: server}
"""


@pytest.fixture(autouse=True)
def _project(home: Path) -> None:
    Path("mlx.yaml").write_text(NAMES)
    Path("train.py").write_text(
        "from mlxkit import pipeline, step\n@step\ndef fit(rate: float) -> float:\n    return rate\n"
        "@pipeline\ndef training(rate: float = 0.1) -> None:\n    fit(rate)\n"
    )


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("stak list", "stack"),
        ("stack lst", "list"),
        ("stack list --ouptut json", "--output"),
        ("stack list -o jsn", "json"),
        ("stack set locl", "local"),
        ("tracker describe sever", "server"),
        ("tracker register x --flavor=mlfow", "mlflow"),
        ("tracker register x --flavor=mlflow --tracking_url=http://127.0.0.1", "tracking_uri"),
        ("stack register y -e sever", "server"),
        ("flavor describe mlfow", "mlflow"),
        ("flavor list trakcer", "tracker"),
        ("run tain.py", "train.py"),
        ("run train.py:traning", "training"),
        ("run train.py --rat 3", "rate"),
        ("run train.py --stack locl", "local"),
        ("run train.py --tracker sever", "server"),
        ("runs list --status compelted", "completed"),
        ("runs graph latest --format mermiad", "mermaid"),
        ("runs list --pipeline traning", "training"),
        ("completion bsh", "bash"),
        ("help exit-cods", "exit-codes"),
    ],
)
def test_the_right_word_is_offered(mlx, line: str, meant: str) -> None:
    assert mlx("run", "train.py").code == 0
    done = mlx(*line.split())
    assert f"did you mean {meant!r}?" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("line", ["runs logs latest fti", "artifact get ouptut", "pipeline describe traning"])
def test_names_of_what_was_run_are_offered(mlx, line: str) -> None:
    assert mlx("run", "train.py").code == 0
    done = mlx(*line.split())
    assert done.code == 3
    assert "did you mean " in done.stderr


def test_an_error_of_the_parser_is_json_when_that_was_asked_for(mlx) -> None:
    done = mlx("stack", "describe", "-o", "json", "locl")
    said = json.loads(done.stderr)
    assert (said["error"], said["exit_code"], said["hint"]) == ("NotFoundError", 3, "mlx stack list")
    assert done.stdout == ""


@pytest.mark.parametrize(
    "line",
    [
        "runs list -o json --stauts",
        "runs list --limit abc -o json",
        "runs lst --output=json",
        "secret create -o json",
    ],
)
def test_a_line_that_cannot_be_parsed_is_told_as_json_too(mlx, line: str) -> None:
    done = mlx(*line.split())
    assert json.loads(done.stderr)["exit_code"] == done.code == 2


def test_the_variable_asks_for_json_where_a_command_has_no_such_option(
    mlx, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLX_OUTPUT", "json")
    assert json.loads(mlx("runz").stderr)["error"] == "UsageError"
    assert json.loads(mlx("runs", "logs", "nope").stderr)["exit_code"] == 3
    monkeypatch.delenv("MLX_OUTPUT")
    assert mlx("runs", "logs", "nope").stderr.startswith("error: ")


def test_a_name_in_its_place_is_not_taken_for_an_option(mlx) -> None:
    done = mlx("secret", "get", "t_secret", "--key", "p")
    assert done.code == 2
    assert "no such option: --key" in done.stderr and "did you mean" not in done.stderr
