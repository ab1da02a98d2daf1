"""The commands that every kind has: that the words on the line reach the service, and what is printed where."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from mlxkit.config.yamltext import load_yaml

TEXT = """\
version: 1
experiment_trackers:
  team:
    flavor: mlflow
    tracking_uri: https://mlflow.example.com
    tracking_token: hunter2-plain
  mine: {flavor: mlflow}
stacks:
  a: {experiment_tracker: team}
"""
KINDS = {
    "tracker": ("experiment_trackers", "mlflow"),
    "artifact-store": ("artifact_stores", "local"),
    "orchestrator": ("orchestrators", "local"),
    "registry": ("model_registries", "mlflow"),
    "deployer": ("model_deployers", "mlflow"),
}


@pytest.fixture
def path() -> Path:
    Path("mlx.yaml").write_text(TEXT)
    return Path("mlx.yaml").absolute()


@pytest.mark.parametrize("command", KINDS)
def test_every_kind_has_every_verb(mlx: Any, command: str) -> None:
    section, flavor = KINDS[command]
    path = Path("mlx.yaml")
    path.write_text("version: 1\n")
    for arguments in (
        ("register", "one", f"--flavor={flavor}"),
        ("copy", "one", "two"),
        ("rename", "two", "three"),
        ("delete", "one", "--yes"),
    ):
        done = mlx(command, *arguments)
        assert (done.code, done.stdout) == (0, ""), done.stderr
    assert path.read_text() == f"version: 1\n{section}:\n  three:\n    flavor: {flavor}\n"
    assert mlx(command, "list", "-o", "name").stdout == "three\ndefault\n"
    assert json.loads(mlx(command, "describe", "three", "-o", "json").stdout)["flavor"] == flavor


@pytest.mark.parametrize("fmt", ["table", "json", "yaml"])
def test_no_way_of_showing_shows_a_plain_credential(mlx: Any, path: Path, fmt: str) -> None:
    for arguments in (
        ("tracker", "list"),
        ("tracker", "describe", "team"),
        ("stack", "describe", "a"),
        ("stack", "export", "a"),
    ):
        done = mlx(*arguments, *(() if arguments[1] == "export" else ("-o", fmt)))
        assert done.code == 0
        assert "team" in done.stdout
        assert "hunter2" not in done.stdout + done.stderr


def test_the_formats_hold_the_same(mlx: Any, path: Path) -> None:
    as_json = json.loads(mlx("tracker", "list", "-o", "json").stdout)
    assert load_yaml(mlx("tracker", "list", "-o", "yaml").stdout, what="yaml") == as_json
    assert as_json[0] == {
        "schema_version": 1,
        "name": "team",
        "kind": "experiment_tracker",
        "flavor": "mlflow",
        "attributes": {"tracking_uri": "https://mlflow.example.com", "tracking_token": "***"},
        "stacks": ["a"],
    }
    assert mlx("tracker", "list").stdout.splitlines()[1] == "mine\tmlflow\t\t"


def test_the_environment_chooses_the_format(mlx: Any, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLX_OUTPUT", "name")
    assert mlx("tracker", "list").stdout == "team\nmine\ndefault\n"


def test_a_plain_credential_is_taken_with_the_commands_that_fix_it(mlx: Any, path: Path) -> None:
    done = mlx("tracker", "update", "team", "--tracking_token=hunter2-new")
    assert done.code == 0
    assert "mlx secret create team_secret --token" in done.stderr
    assert 'mlx tracker update team --tracking_token="<<team_secret.token>>"' in done.stderr
    assert "hunter2" not in done.stderr
    assert "hunter2-new" in path.read_text()


def test_updating_sets_and_removes(mlx: Any, path: Path) -> None:
    done = mlx("tracker", "update", "team", "--anonymous", "--remove", "tracking-token")
    assert done.code == 0, done.stderr
    assert path.read_text() == TEXT.replace("tracking_token: hunter2-plain", "anonymous: true")


def test_updating_nothing_is_said(mlx: Any, path: Path) -> None:
    assert mlx("tracker", "update", "team").code == 2
    assert path.read_text() == TEXT


def test_a_missing_flavor_is_said(mlx: Any) -> None:
    done = mlx("tracker", "register", "t")
    assert done.code == 2
    assert "--flavor is missing" in done.stderr
    assert "mlx flavor list tracker" in done.stderr


def test_deleting_what_is_in_use_names_the_stacks(mlx: Any, path: Path) -> None:
    done = mlx("tracker", "delete", "team", "--yes")
    assert done.code == 1
    assert "experiment tracker 'team' is used by stack 'a'" in done.stderr
    assert path.read_text() == TEXT
    done = mlx("tracker", "delete", "team", "--yes", "--force")
    assert (done.code, done.stderr) == (0, "deleted experiment tracker 'team', also from a\n")


def test_deleting_without_a_terminal_needs_yes(mlx: Any, path: Path) -> None:
    done = mlx("tracker", "delete", "mine")
    assert done.code == 2
    assert "--yes" in done.stderr
    assert path.read_text() == TEXT


@pytest.mark.parametrize("verb", ["describe", "delete", "update", "rename", "copy"])
def test_a_misspelt_name_is_answered(mlx: Any, path: Path, verb: str) -> None:
    more = {"update": ["--nested"], "rename": ["x"], "copy": ["x"]}.get(verb, [])
    done = mlx("tracker", verb, "taem", *more)
    assert done.code == 3
    assert "no experiment tracker named 'taem' (did you mean 'team'?)" in done.stderr
    assert "mlx tracker list" in done.stderr


@pytest.mark.parametrize("command", ["list", "describe"])
def test_a_broken_file_is_an_error_of_configuration(mlx: Any, path: Path, command: str) -> None:
    path.write_text("stacks: [\n")
    done = mlx("tracker", command, *(["team"] if command == "describe" else []))
    assert done.code == 4
    assert "mlx.yaml:1: " in done.stderr
    assert done.stdout == ""


def test_quiet_says_only_warnings(mlx: Any, path: Path) -> None:
    done = mlx(
        "--quiet",
        "tracker",
        "register",
        "t",
        "--flavor=mlflow",
        "--tracking_uri=https://x.io",
        "--tracking_token=<<s.t>>",
    )
    assert done.stderr == "warning: no secret named 's' yet: mlx secret create s --t\n"


@pytest.mark.integration
def test_twenty_processes_that_register_at_once_all_land(mlx_process: list[str], path: Path) -> None:
    running = [
        subprocess.Popen(
            [
                *mlx_process,
                "tracker",
                "register",
                f"t{number}",
                "--flavor=mlflow",
                f"--experiment_name=e{number}",
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(20)
    ]
    for process in running:
        _, words = process.communicate(timeout=120)
        assert process.returncode == 0, words
    text = path.read_text()
    assert text.startswith(TEXT.partition("stacks:")[0])
    trackers = load_yaml(text, what="mlx.yaml")["experiment_trackers"]
    assert {
        f"t{number}": {"flavor": "mlflow", "experiment_name": f"e{number}"} for number in range(20)
    }.items() <= trackers.items()
    assert sorted(os.listdir()) == [".mlx", "mlx.yaml"]


NO_ROOM = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))"
NO_RIGHT = (
    "import os; os.chmod('.', 0o555)\n"
    "if os.getuid() == 0:\n"  # who may write anywhere
    "    os.chmod('.mlx', 0o755); os.chmod('.mlx/config.lock', 0o666); os.setuid(65534)"
)


@pytest.mark.integration
@pytest.mark.parametrize("hindrance", [NO_ROOM, NO_RIGHT])
def test_a_disk_that_takes_nothing_is_said_and_nothing_is_lost(hindrance: str) -> None:
    with tempfile.TemporaryDirectory() as name:  # other users cannot reach pytest's own folders
        folder = Path(name)
        (folder / "mlx.yaml").write_text(TEXT)
        program = (
            "import sys\n"
            "from mlxkit.commands.app import main\n"
            "assert main(['tracker', 'register', 'first', '--flavor=mlflow']) == 0\n"  # another user cannot import
            f"{hindrance}\n"
            f"sys.exit(main(['tracker', 'register', {'x' * 90!r}, '--flavor=mlflow']))"
        )
        (folder / ".mlx").mkdir()
        folder.chmod(0o755)
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False
        )
        folder.chmod(0o755)
        words = done.stderr.partition("registered experiment tracker 'first' (mlflow)\n")[2]
        assert (done.returncode, words.count("\n")) == (1, 1), done.stderr
        assert words.startswith(f"error: cannot write {folder.resolve()}/mlx.yaml: ")
        text = (folder / "mlx.yaml").read_text()
        assert text == TEXT.replace("stacks:", "  first:\n    flavor: mlflow\nstacks:")
        assert sorted(os.listdir(folder)) == [".mlx", "mlx.yaml"]
