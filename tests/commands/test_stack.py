"""`mlx stack`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlxkit.config.yamltext import load_yaml

TEXT = """\
version: 1
experiment_trackers:
  team: {flavor: mlflow, tracking_uri: "http://localhost:5000"}
artifact_stores:
  lake: {flavor: local, path: lake}
model_registries:
  reg: {flavor: mlflow}
model_deployers:
  dep: {flavor: mlflow}
stacks:
  a: {experiment_tracker: team}
"""


@pytest.fixture
def path() -> Path:
    Path("mlx.yaml").write_text(TEXT)
    return Path("mlx.yaml").absolute()


def test_every_kind_has_its_flag(mlx: Any, path: Path) -> None:
    done = mlx(
        "stack",
        "register",
        "all",
        "-e",
        "team",
        "-a",
        "lake",
        "-o",
        "local",
        "-r",
        "reg",
        "-d",
        "dep",
        "--set",
    )
    assert done.code == 0, done.stderr
    assert done.stdout == ""
    assert (
        done.stderr
        == "registered stack 'all'\nthe active stack is 'all' (chosen by mlx stack set, in this checkout)\n"
    )
    names = {"experiment_tracker": "team", "artifact_store": "lake", "orchestrator": "local"}
    names |= {"model_registry": "reg", "model_deployer": "dep"}
    assert load_yaml(path.read_text(), what="mlx.yaml")["stacks"]["all"] == names


@pytest.mark.parametrize("flag", ["--experiment_tracker", "--experiment-tracker", "-e"])
def test_flags_are_spelled_as_in_zenml(mlx: Any, path: Path, flag: str) -> None:
    assert mlx("stack", "register", "custom", flag, "team").code == 0
    assert (
        json.loads(mlx("stack", "describe", "custom", "-o", "json").stdout)["components"][
            "experiment_tracker"
        ]["name"]
        == "team"
    )


def test_what_documents_leave_out_is_ignored_and_said(mlx: Any, path: Path) -> None:
    done = mlx("stack", "register", "custom", "-e", "team", "...", " ", "--set")
    assert done.code == 0, done.stderr
    assert done.stderr.count("ignored") == 2
    assert mlx("stack", "get").stdout == "custom\n"


def test_a_stack_with_nothing_but_a_tracker_works(mlx: Any, path: Path) -> None:
    assert mlx("stack", "register", "custom", "-e", "team", "--set").code == 0
    assert mlx("stack", "validate").code == 0


def test_a_misspelt_component_is_answered_and_the_stack_is_not_set(mlx: Any, path: Path) -> None:
    done = mlx("stack", "register", "custom", "-e", "taem", "--set")
    assert done.code == 3
    assert "no experiment tracker named 'taem' (did you mean 'team'?)" in done.stderr
    assert path.read_text() == TEXT
    assert mlx("stack", "get").stdout == "a\n"


def test_get_prints_the_name_and_says_where_it_was_chosen(
    mlx: Any, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = mlx("stack", "get")
    assert (done.stdout, done.stderr) == ("a\n", "chosen by being the only one in mlx.yaml\n")
    monkeypatch.setenv("MLX_STACK", "default")
    assert json.loads(mlx("stack", "get", "-o", "json").stdout) == {
        "schema_version": 1,
        "name": "default",
        "source": "MLX_STACK",
    }


def test_set_says_what_is_active_even_when_something_else_wins(
    mlx: Any, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLX_STACK", "a")
    done = mlx("stack", "set", "default")
    assert done.stderr == "the active stack is 'a' (chosen by the variable MLX_STACK)\n"
    monkeypatch.delenv("MLX_STACK")
    assert mlx("stack", "get").stdout == "default\n"


def test_the_default_for_all_is_written_to_the_file(mlx: Any, path: Path) -> None:
    assert mlx("stack", "set", "a", "--default").code == 0
    assert path.read_text() == TEXT.replace("version: 1\n", "version: 1\ndefault_stack: a\n")


def test_list_marks_the_active_one(mlx: Any, path: Path) -> None:
    assert mlx("stack", "list").stdout.splitlines()[0] == (
        "a\tyes\texperiment_tracker=team, artifact_store=default, orchestrator=default"
    )
    assert [stack["is_active"] for stack in json.loads(mlx("stack", "list", "-o", "json").stdout)] == [
        True,
        False,
    ]


def test_an_active_stack_that_is_gone_is_warned_about_in_a_list_and_an_error_elsewhere(
    mlx: Any, path: Path
) -> None:
    assert mlx("stack", "register", "gone", "--set").code == 0
    path.write_text(TEXT)
    done = mlx("stack", "list", "-o", "name")
    assert (done.code, done.stdout) == (0, "a\ndefault\n")
    assert "the active stack 'gone'" in done.stderr
    done = mlx("stack", "get")
    assert (done.code, done.stdout) == (4, "")
    assert "mlx stack set a" in done.stderr


def test_describe_shows_a_line_a_component(mlx: Any, path: Path) -> None:
    done = mlx("stack", "describe")
    assert done.stderr == "stack a (active)\n"
    assert (
        done.stdout.splitlines()[0] == "experiment_tracker\tteam\tmlflow\ttracking_uri=http://localhost:5000"
    )
    assert len(done.stdout.splitlines()) == 3


def test_update_puts_in_and_takes_out(mlx: Any, path: Path) -> None:
    assert mlx("stack", "update", "a", "-a", "lake", "--remove", "tracker").code == 0
    assert path.read_text() == TEXT.replace("a: {experiment_tracker: team}", "a: {artifact_store: lake}")
    done = mlx("stack", "update", "a", "--remove", "trakcer")
    assert done.code == 3
    assert "no kind of component called 'trakcer'" in done.stderr


def test_rename_copy_and_delete(mlx: Any, path: Path) -> None:
    assert mlx("stack", "copy", "a", "b").code == 0
    assert mlx("stack", "rename", "b", "c").code == 0
    assert mlx("stack", "set", "a").code == 0
    assert mlx("stack", "delete", "c").code == 2
    assert mlx("stack", "delete", "c", "--yes").code == 0
    assert path.read_text() == TEXT
    done = mlx("stack", "delete", "a", "--yes")
    assert done.code == 1
    assert "stack 'a' is the active one" in done.stderr
    assert mlx("stack", "delete", "a", "--yes", "--force").code == 0
    assert mlx("stack", "get").stdout == "default\n"


def test_export_and_import_through_a_file(mlx: Any, path: Path) -> None:
    assert mlx("stack", "export", "a", "a.yaml").code == 0
    assert mlx("stack", "export", "a").stdout == Path("a.yaml").read_text()
    done = mlx("stack", "export", "a", "mlx.yaml")
    assert done.code == 1
    assert "already exists" in done.stderr
    assert path.read_text() == TEXT
    path.write_text("version: 1\n")
    done = mlx("stack", "import", "a.yaml", "--set")
    assert done.code == 0
    assert done.stderr == "added experiment_trackers.team\nadded stacks.a\n"
    assert mlx("stack", "get").stdout == "a\n"


@pytest.mark.parametrize("file", ["gone.yaml", "."])
def test_importing_what_cannot_be_read_is_said(mlx: Any, path: Path, file: str) -> None:
    done = mlx("stack", "import", file)
    assert done.code == 1
    assert f"cannot read {file}: " in done.stderr


def test_validate_says_everything_and_fails(mlx: Any, path: Path) -> None:
    path.write_text("model_registries: {r: {flavor: mlflow}}\nstacks: {x: {model_registry: r}}\n")
    done = mlx("stack", "validate", "x", "-o", "json")
    assert done.code == 4
    assert len(json.loads(done.stdout)["problems"]) == 1
    assert "the stack has none" in done.stderr
    done = mlx("stack", "validate", "default")
    assert (done.code, done.stderr) == (0, "stack 'default' is valid\n")


def test_two_stacks_with_one_name_in_the_file_are_refused(mlx: Any, path: Path) -> None:
    path.write_text("stacks:\n  a: {}\n  a: {}\n")
    for arguments in (("list",), ("register", "b"), ("set", "a")):
        done = mlx("stack", *arguments)
        assert done.code == 4
        assert "mlx.yaml:3: stacks: 'a' appears twice (first on line 2)" in done.stderr
    assert path.read_text() == "stacks:\n  a: {}\n  a: {}\n"


def test_an_update_without_a_change_is_a_wrong_command_line(mlx: Any) -> None:
    assert mlx("stack", "register", "r").code == 0
    done = mlx("stack", "update", "r")
    assert done.code == 2
    assert "nothing to change in stack 'r'" in done.stderr
