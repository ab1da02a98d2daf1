"""TAB pressed in real shells on a pseudo-terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlxkit.completion.scripts import SCRIPTS, script
from tests.completion.shells import Shell, shell

PROJECT = """\
version: 1
experiment_trackers:
  team: {flavor: mlflow}
stacks:
  dev: {experiment_tracker: team}
  prod: {experiment_tracker: team}
"""

# What is typed, and what stands there after one TAB.
LINES = {
    "mlx trac": "mlx tracker ",
    "mlx stack se": "mlx stack set ",
    "mlx stack set p": "mlx stack set prod ",
    "mlx run p.py --stack d": "mlx run p.py --stack dev ",
    "mlx run p.py --stack=d": "mlx run p.py --stack=dev ",
    "mlx stack list --out": "mlx stack list --output ",
    "mlx stack list --output=js": "mlx stack list --output=json ",
    "mlx stack list -o ya": "mlx stack list -o yaml ",
    "mlx tracker register x --flavor=ml": "mlx tracker register x --flavor=mlflow ",
    "mlx tracker register x --flavor=mlflow --tracking_ur": "mlx tracker register x --flavor=mlflow --tracking_uri=",
    "mlx secret get ml": "mlx secret get mlflow_secret ",
    "mlx runs describe fir": "mlx runs describe first ",
    "mlx pipeline describe tr": "mlx pipeline describe training ",
    "mlx model describe iris@": "mlx model describe iris@production ",
    "mlx model deploy iris:": "mlx model deploy iris:2 ",
    "mlx deployment stop f": "mlx deployment stop flowers ",
    "mlx pipeline describe we": "mlx pipeline describe we\\;ird\\$\\(x\\) ",
    "mlx run pip": "mlx run pipe\\ line.py ",
    "mlx run other.py:": "mlx run other.py:weekly ",
    "mlx run x --config=oth": "mlx run x --config=other.py ",
    "mlx secrets-manager sec": "mlx secrets-manager secret ",
    "mlx secrets-m": "mlx secrets-m",
    "mlx stack describe zzz": "mlx stack describe zzz",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a name of every kind."""
    made = tmp_path_factory.mktemp("project")
    (made / "mlx.yaml").write_text(PROJECT)
    (made / "pipe line.py").touch()
    (made / "other.py").write_text("@pipeline\ndef weekly(): ...\n")
    names = made / ".mlx" / "names"
    names.mkdir(parents=True)
    (made / ".mlx" / "history.db").touch()
    (names / "runs").write_text("abcdef first\n")
    (names / "pipelines").write_text("training\nwe;ird$(x)\n")
    (names / "models").write_text("iris:2\niris@production\niris\n")
    (made / ".mlx/deployments/flowers").mkdir(parents=True)
    (made / ".mlx/deployments/flowers/deployment.json").write_text("{}")
    return made


@pytest.fixture(params=["bash", "zsh", "fish"])
def started(request: pytest.FixtureRequest, folder: Path, home: Path) -> Iterator[Shell]:
    """A shell in the project that has read the script."""
    data = home / ".local/share/mlx"
    data.mkdir(parents=True)
    (data / "secrets.json").write_text(
        '{\n "version": 1,\n "secrets": {\n  "mlflow_secret": {\n   "keys": [\n    "username"\n   ]\n  }\n }\n}\n'
    )
    path = home / SCRIPTS[request.param]
    path.write_text(script(request.param))
    with shell(request.param, cwd=folder) as made:
        assert "rror" not in made.run(f"source {path}")
        yield made


def test_a_tab_completes_the_line(started: Shell) -> None:
    found = {typed: started.complete(typed) for typed in LINES}
    assert found == LINES


def test_two_tabs_list_what_there_is(started: Shell) -> None:
    shown = started.listed("mlx stack set ")
    assert "dev" in shown and "prod" in shown and "rror" not in shown
    if started.name != "bash":
        assert "Rename a stack." in started.listed("mlx stack re")


def test_the_shell_is_left_as_it_was(started: Shell) -> None:
    started.complete("mlx stack se")
    assert "_MLX_COMPLETE" not in started.run("env")
    assert "still here" in started.run("echo still here")


def test_a_quoted_word_is_completed(started: Shell) -> None:
    assert started.complete("mlx stack set 'p").rstrip() in ("mlx stack set 'prod'", "mlx stack set prod")


def test_strict_settings_of_the_user_do_no_harm(started: Shell) -> None:
    strict = {
        "bash": "set -u; shopt -s failglob",
        "zsh": "setopt NO_UNSET KSH_ARRAYS SH_WORD_SPLIT",
        "fish": "true",
    }
    started.run(strict[started.name])
    assert started.complete("mlx stack set p") == "mlx stack set prod "
    assert started.complete("mlx tracker register x --flavor=ml") == "mlx tracker register x --flavor=mlflow "
