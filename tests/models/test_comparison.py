"""Comparisons and lineages of odd versions: what is no number, cannot be read, or was written by others."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from mlxkit.errors import ExitCode
from mlxkit.models.drawing import mermaid, tree
from mlxkit.models.lineage import Lineage, Server, SourceStep
from mlxkit.stacks.registries import LoggedModel
from tests.conftest import Result
from tests.fixtures.shelf import BETTER, GOOD, ODD, Shelf

Mlx = Callable[..., Result]
SECRET_SOURCE = "s3://AKIAKEY:S3C/RETKEY@bucket/model"


def strictly(text: str) -> Any:
    """Read JSON as other languages do, which know no NaN."""

    def refuse(word: str) -> Any:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_by_name_a_comparison_is_what_differs_and_a_lineage_is_its_version(
    mlx: Mlx, local_shelf: Shelf
) -> None:
    local_shelf.stock(GOOD, BETTER)
    compared = mlx("model", "compare", "iris:1", "iris:2", "-o", "name")
    assert compared.code == ExitCode.ok
    assert "val_rmse" in compared.stdout.splitlines()
    lineage = mlx("model", "lineage", "iris:1", "-o", "name")
    assert (lineage.code, lineage.stdout) == (ExitCode.ok, "iris:1\n")


def test_what_is_no_number_is_json_and_the_same_as_itself(mlx: Mlx, local_shelf: Shelf) -> None:
    local_shelf.stock(ODD, GOOD)
    same = mlx("model", "compare", "iris:1", "iris:1", "--all", "-o", "json")
    rows = {row["name"]: row for row in strictly(same.stdout)["rows"] if row["kind"] == "metric"}
    assert (rows["val_rmse"]["values"], rows["val_rmse"]["differs"]) == (["nan", "nan"], False)
    other = strictly(mlx("model", "compare", "iris:1", "iris:2", "-o", "json").stdout)
    values = {row["name"]: row["values"] for row in other["rows"] if row["kind"] == "metric"}
    assert values["val_rmse"] == ["nan", 0.75]
    document = {"steps": [{"step": "train", "parameters": {"x": float("nan"), "y": [float("-inf")]}}]}
    local_shelf.service.registry.set_tags("iris", {"mlx.lineage": json.dumps(document)}, version=1)
    told = strictly(mlx("model", "lineage", "iris:1", "-o", "json").stdout)
    assert told["steps"][0]["parameters"] == {"x": "nan", "y": ["-inf"]}


def test_files_that_cannot_be_read_leave_the_environment_out_and_not_the_rest(
    mlx: Mlx, local_shelf: Shelf
) -> None:
    local_shelf.stock(GOOD)
    model = LoggedModel("model", SECRET_SOURCE, local_shelf.logged[BETTER].run_id)
    local_shelf.service.registry.register("iris", model)
    done = mlx("model", "compare", "iris:1", "iris:2", "-o", "json")
    assert done.code == ExitCode.ok, done.stderr
    told = strictly(done.stdout)
    assert {row["kind"] for row in told["rows"]} >= {"metric"}
    assert "environment" not in {row["kind"] for row in told["rows"]}
    (note,) = told["notes"]
    assert note.startswith("environments are left out: ")
    assert "RETKEY" not in done.stdout + done.stderr
    assert note in mlx("model", "compare", "iris:1", "iris:2").stderr
    assert strictly(mlx("model", "compare", "iris:1", "iris:1", "-o", "json").stdout)["notes"] == []


@pytest.mark.parametrize("format", ["table", "json", "yaml"])
def test_credentials_in_a_source_are_not_shown(mlx: Mlx, local_shelf: Shelf, format: str) -> None:
    model = LoggedModel("model", SECRET_SOURCE, local_shelf.logged[GOOD].run_id)
    local_shelf.service.registry.register("iris", model)
    for words in (("describe", "iris:1"), ("describe", "iris"), ("lineage", "iris:1"), ("versions", "iris")):
        done = mlx("model", *words, "-o", format)
        assert done.code == ExitCode.ok, done.stderr
        assert "AKIA" not in done.stdout and "RETKEY" not in done.stdout, words
    assert local_shelf.service.get("iris:1").source == "s3://bucket/model"


def test_text_by_others_cannot_steer_the_terminal(mlx: Mlx, local_shelf: Shelf) -> None:
    local_shelf.stock(GOOD)
    evil = "a\x1b[2J\x1b]0;title\x07b\u202ec\x9bd"
    registry = local_shelf.service.registry
    document = {"steps": [{"step": evil, "parameters": {"x\n": evil}, "inputs": {evil: {"from": evil}}}]}
    tags = {"note": evil, "mlx.lineage": json.dumps(document), "mlx.run_name": evil, "mlx.step": "x"}
    registry.set_tags("iris", tags, version=1)
    registry.set_description("iris", evil, version=1)
    for words in (
        ("describe", "iris:1"),
        ("lineage", "iris:1"),
        ("lineage", "iris:1", "--format", "mermaid"),
        ("compare", "iris:1", "iris:1", "--all"),
    ):
        shown = mlx("model", *words).stdout
        assert shown and not set(shown) & set("\x1b\x07\x9b\u202e"), (words, shown)
    assert "\\x1b[2J" in mlx("model", "describe", "iris:1").stdout
    assert strictly(mlx("model", "describe", "iris:1", "-o", "json").stdout)["description"] == evil


def test_a_line_break_makes_no_line_of_its_own_in_a_drawing(mlx: Mlx, local_shelf: Shelf) -> None:
    local_shelf.stock(GOOD)
    document = {"steps": [{"step": "train", "outputs": {"x\n  served by  evil": "d"}}]}
    local_shelf.service.registry.set_tags("iris", {"mlx.lineage": json.dumps(document)}, version=1)
    lines = mlx("model", "lineage", "iris:1").stdout.splitlines()
    assert not [line for line in lines if line.startswith("  served by")]
    found = Lineage("a", 1, None, (), "", steps=(SourceStep("s"),), deployments=(Server("x\ny", "running"),))
    assert len(tree(found)) == 4 and len(mermaid(found)) == 5
