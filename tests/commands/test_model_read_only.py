"""A project that can only be read: everything that reads works, and what has to write says what it could not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mlxkit.errors import ExitCode
from tests.conftest import Result
from tests.fixtures.shelf import BETTER, GOOD, Shelf

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
