"""A project that can only be read: everything that reads works, and what has to write says what it could not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlxkit.errors import ExitCode
from tests.conftest import Result
from tests.fixtures.shelf import BETTER, GOOD, Shelf

FILE = """
import mlflow
from mlxkit import pipeline, step


class Same(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: list[float], params=None):
        return model_input


@step
def load(size: int) -> list:
    return list(range(size))


@step(experiment_tracker=True)
def train(rows: list) -> float:
    mlflow.pyfunc.log_model(name="model", python_model=Same(), pip_requirements=["numpy==1.0"])
    return 0.5


@pipeline
def training(size: int = 3):
    train(load(size))
"""
ReadOnly = Callable[..., Result]
READING = (
    ("list",),
    ("versions", "{0}"),
    ("describe", "{0}:1"),
    ("history", "{0}"),
)


def test_everything_that_reads_works_in_a_read_only_project(
    local_shelf: Shelf, mlx_read_only: ReadOnly
) -> None:
    local_shelf.stock(GOOD, BETTER)
    local_shelf.service.promote("iris:1", "production")
    assert not list(
        Path(".mlx/mlflow").glob("mlflow.db-*")
    )  # nobody has it open, so a log would have to be made
    for words in READING:
        done = mlx_read_only("model", *(word.format("iris") for word in words))
        assert (done.code, done.stderr) == (ExitCode.ok, ""), (words, done)
        assert done.stdout, words


def test_what_has_to_write_names_the_folder_and_does_not_advise_to_lose_the_models(
    local_shelf: Shelf, mlx_read_only: ReadOnly
) -> None:
    local_shelf.stock(GOOD)
    done = mlx_read_only("model", "tag", "iris:1", "a=b")
    assert done.code == ExitCode.configuration
    assert "mlflow cannot be written" in done.stderr and "database" in done.stderr
    assert "move" not in done.stderr


@pytest.mark.integration
def test_lineage_and_comparison_read_the_history_of_a_read_only_project(
    home: Path, mlx: Callable[..., Result], mlx_read_only: ReadOnly
) -> None:
    Path("mlx.yaml").write_text("version: 1\n")
    Path("flow.py").write_text(FILE)
    for size in ("3", "4"):
        assert mlx("run", "flow.py", "--size", size).code == 0
        assert mlx("model", "register", "m", "--run", "latest").code == 0
    commands = (
        ("model", "lineage", "m:1", "-o", "json"),
        ("model", "compare", "m:1", "m:2", "--all", "-o", "json"),
        ("runs", "list", "-o", "json"),
    )
    before = [mlx(*command).stdout for command in commands]
    assert "load" in before[0] and "distributions" not in before[0]
    assert [mlx_read_only(*command).stdout for command in commands] == before


def test_a_read_only_checkout_without_a_state_folder_works_with_a_server(
    server_shelf: Shelf, mlx_read_only: ReadOnly
) -> None:
    run, name = server_shelf.logged[GOOD].run_id, server_shelf.name
    commands = (
        ("register", name, "--run", run),
        ("register", name, "--run", server_shelf.logged[BETTER].run_id),
        ("promote", f"{name}:1", "--to", "production"),
        *(tuple(word.format(name) for word in words) for words in READING),
        ("lineage", f"{name}:1"),
        ("compare", f"{name}:1", f"{name}:2"),
        ("delete", f"{name}:2", "--yes"),
    )
    for command in commands:
        done = mlx_read_only("model", *command)
        assert done.code == ExitCode.ok, (command, done)
    assert not Path(".mlx").exists()


def test_commands_that_only_read_make_no_state_folder(home: Path, mlx: Callable[..., Result]) -> None:
    Path("mlx.yaml").write_text("version: 1\n")
    for command in (("model", "list"), ("deployment", "list")):
        assert mlx(*command).code == ExitCode.ok
    for command in (
        ("model", "describe", "m"),
        ("model", "lineage", "m:1"),
        ("model", "history", "m"),
        ("model", "delete", "m", "--yes"),
        ("model", "register", "m", "--run", "latest"),
        ("deployment", "describe", "d"),
        ("deployment", "stop", "d"),
    ):
        assert mlx(*command).code == ExitCode.not_found, command
    assert not Path(".mlx").exists()
