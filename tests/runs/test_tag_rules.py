"""A key has one value, whoever gives it, and a tag that is none is refused before anything runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mlxkit.runs.tagging import settled
from tests.conftest import Result

PIPELINE = """
from pathlib import Path
from mlxkit import pipeline, step

Path("imported").touch()

@step
def load() -> int:
    return 1

@pipeline(tags=["team=a", "nightly"])
def train() -> None:
    load()
"""


@pytest.mark.parametrize(
    ("tags", "left"),
    [
        (["a=1", "a=2"], ["a=2"]),
        (["a=1", "b", "a=2", "b"], ["a=2", "b"]),
        (["a", "a=1", "ab=1"], ["a", "a=1", "ab=1"]),
        (["a=", "a=x=y"], ["a=x=y"]),
    ],
)
def test_the_last_value_of_a_key_counts(tags: list[str], left: list[str]) -> None:
    assert settled(tags) == left


def test_a_run_has_one_value_of_a_key(mlx: Callable[..., Result]) -> None:
    Path("p.py").write_text(PIPELINE)
    assert mlx("run", "p.py", "--tag", "a=1", "--tag", "a=2", "--tag", "team=b").code == 0
    assert json.loads(mlx("runs", "describe", "-o", "json").stdout)["tags"] == ["a=2", "nightly", "team=b"]


@pytest.mark.parametrize("words", [[], ["--dry-run"]])
def test_a_wrong_tag_is_refused_before_the_file_is_read(mlx: Callable[..., Result], words: list[str]) -> None:
    Path("p.py").write_text(PIPELINE)
    result = mlx("run", "p.py", "--tag", "good", "--tag", "=x", *words)
    assert result.code == 2 and "is no tag" in result.stderr and not Path("imported").exists()
