"""What is documented of JSON is what is printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlxkit.reference.jsonpage import PRINTED, json_page, keys_of
from mlxkit.reference.pages import Term

FILE = """\
from typing import Annotated
from mlxkit import pipeline, step

@step
def load() -> Annotated[list, "rows"]:
    return [1, 2, 3]

@step
def count(rows: list) -> Annotated[int, "total"]:
    return len(rows)

@pipeline
def counting(start: int = 0) -> None:
    count(load())
"""
# command of the page -> what is typed after it
MORE = {
    "run --dry-run": "train.py",
    "run": "train.py", "runs compare": "first second", "runs rerun": "first", "artifact describe": "total",
    "pipeline describe": "counting", "secret get": "s",
}  # fmt: skip
NEEDS_A_REGISTRY = ("model", "deployment", "tracker status")


def cases() -> list[tuple[str, str]]:
    return [
        (target, command)
        for target, commands in PRINTED.items()
        for command in commands
        if not command.startswith(NEEDS_A_REGISTRY)
    ]


@pytest.mark.parametrize(("target", "command"), cases())
def test_a_command_prints_the_keys_that_are_documented(
    mlx, target: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("train.py").write_text(FILE)
    monkeypatch.setenv("MLX_SECRET_S__KEY", "value")
    for name in ("first", "second"):
        assert (
            mlx("run", "train.py", "--name", name, *(["--start", "3"] if name == "second" else [])).code == 0
        )
    name = command.removesuffix("[]")
    done = mlx(*name.split(), *MORE.get(name, "").split(), "-o", "json")
    assert done.stdout, done.stderr
    printed = json.loads(done.stdout)
    assert isinstance(printed, list) == command.endswith("[]")
    first = printed[0] if isinstance(printed, list) else printed
    assert first["schema_version"] == 1
    assert set(first) - {"schema_version"} == set(keys_of(target))


def test_every_record_is_explained() -> None:
    page = json_page()
    terms = [block.term for section in page.sections for block in section.blocks if isinstance(block, Term)]
    assert {"is_healthy", "metrics", "version_tag", "alias_now"} <= set(terms)
