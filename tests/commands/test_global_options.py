"""What may be said of every command may be said behind it, too."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlxkit.commands import terminal
from mlxkit.commands.app import COMMANDS, load, root_command
from mlxkit.errors import ExitCode
from tests.conftest import Result

Mlx = Callable[..., Result]

PIPELINE = """\
from mlxkit import pipeline, step

@step
def fit(quiet: str) -> str:
    return quiet

@pipeline
def training(quiet: str = "no") -> None:
    fit(quiet)
"""


@pytest.mark.parametrize(
    "line",
    ["-q runs list", "runs -q list", "runs list -q", "runs list --quiet", "runs list --limit 3 -q", "-q runs list -q"],
)  # fmt: skip
def test_quiet_may_stand_anywhere_before_the_end(mlx: Mlx, line: str) -> None:
    assert "no runs yet" in mlx("runs", "list").stderr
    done = mlx(*line.split())
    assert (done.code, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("spelling", ["--verbose", "-v", "--debug"])
@pytest.mark.parametrize("line", ["stack list", "version", "tracker describe default", "stack set local"])
def test_so_may_the_others(mlx: Mlx, line: str, spelling: str) -> None:
    assert mlx("init").code == 0
    done = mlx(*line.split(), spelling)
    assert done.code == 0, done.stderr
    settings = terminal.settings
    assert (settings.quiet, settings.verbose, settings.debug) == (False, "v" in spelling, "debug" in spelling)
    assert mlx(*line.split()).code == 0
    assert terminal.settings == terminal.Settings()


def test_a_wrong_spelling_is_met_with_the_right_one(mlx: Mlx) -> None:
    assert "did you mean '--quiet'?" in mlx("stack", "list", "--quit").stderr


def test_an_option_of_the_pipeline_stays_one(mlx: Mlx) -> None:
    Path("train.py").write_text(PIPELINE)
    done = mlx("run", "train.py", "--quiet", "yes")
    assert done.code == 0 and done.stderr
    described = json.loads(mlx("runs", "describe", "-o", "json").stdout)
    assert described["parameters"] == {"quiet": "yes"}
    assert "debug" in mlx("run", "train.py", "--debug", "1").stderr


def test_an_attribute_and_a_key_stay_what_they_are(
    mlx: Mlx, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = home / "password"
    password.write_text("correct horse battery staple\n")
    password.chmod(0o600)
    monkeypatch.setenv("MLX_SECRETS_BACKEND", "file")
    monkeypatch.setenv("MLX_KEYRING_PASSWORD_FILE", str(password))
    done = mlx("tracker", "register", "x", "--flavor=mlflow", "--verbose=1")
    assert (done.code, "'mlflow' has no such attribute" in done.stderr) == (ExitCode.configuration, True)
    assert mlx("secret", "create", "s", "--debug=1234").code == 0
    assert json.loads(mlx("secret", "get", "s", "-o", "json").stdout)["keys"] == ["debug"]


def test_a_word_of_the_program_is_the_programs(mlx: Mlx) -> None:
    told = [sys.executable, "-c", "import sys; print(sys.argv[1:])", "-q", "--debug"]
    assert mlx("exec", "--", *told).code == 0
    assert terminal.settings == terminal.Settings()
    assert mlx("exec", "-q", "--", *told).code == 0
    assert terminal.settings.quiet and not terminal.settings.debug


def test_no_spelling_means_two_things() -> None:
    for name, command in every():
        spellings = Counter(
            spelling
            for option in command.get_params(command.make_context("x", ["--help"], resilient_parsing=True))
            for spelling in (*option.opts, *option.secondary_opts)
        )
        assert not [spelling for spelling, count in spellings.items() if count > 1], name


def test_help_names_them_once_at_the_top(mlx: Mlx) -> None:
    assert "--quiet" in mlx("--help").stdout
    assert "--quiet" not in mlx("stack", "list", "--help").stdout
    assert "--quiet" not in mlx("stack", "--help").stdout


def every() -> Iterator[tuple[str, Any]]:
    waiting = [("mlx", root_command()), *((name, load(name)) for name in COMMANDS)]
    while waiting:
        name, command = waiting.pop()
        yield name, command
        waiting += [(f"{name} {below}", child) for below, child in getattr(command, "commands", {}).items()]
