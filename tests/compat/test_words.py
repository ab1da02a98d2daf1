"""ZenML's spelling of a command works, or names the command to type."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text()


def spelled() -> Iterator[str]:
    """Yield the commands in the left cells of the README's table; a word alone stands for the last one of the first."""
    table = README.partition("| `zenml` | `mlx` |")[2].partition("\n\n")[0]
    for row in table.strip().splitlines()[1:]:
        first: list[str] = []
        for code in re.findall(r"`([^`]+)`", row.split("|")[1]):
            words = code.split()
            if words[0] == "zenml":
                first = words[1:]
                yield " ".join(first)
            elif first and not code.startswith("{{"):
                yield " ".join([*first[:-1], code])


SPELLED = sorted(set(spelled()))


def test_the_table_was_read() -> None:
    assert "artifact version list" in SPELLED
    assert "model-deployer models get-url" in SPELLED
    assert len(SPELLED) >= 14


@pytest.mark.parametrize("command", SPELLED)
def test_every_command_of_the_readmes_table_is_answered(mlx: Callable[..., Any], command: str) -> None:
    words = re.split(r" (?=[A-Z-]|module)", command)[0].split()
    result = mlx(*words, "--help")
    is_pointed = result.code == 2 and "mlx has no" in result.stderr and "try: mlx " in result.stderr
    assert result.code == 0 or is_pointed, result.stderr
    assert "no command" not in result.stderr


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("artifact version list -o json", 0, "this is `mlx artifact list`"),
        ("artifact versions list", 0, "this is `mlx artifact list`"),
        ("model version list m", 2, "mlx model versions NAME"),
        ("experiment-tracker flavor list", 0, "this is `mlx flavor list tracker`"),
        ("artifact-store flavor list -o name", 0, "this is `mlx flavor list artifact-store`"),
        ("integration list", 0, "this is `mlx flavor list`"),
        ("stack up", 2, "mlx has no 'stack up'"),
        ("pipeline schedule list", 2, "mlx run FILE, from cron or CI"),
        ("up --docker", 2, "mlx has no 'up': there is no server to start"),
        ("login https://x --api-key", 2, "mlx has no 'login': there is no server to log in to"),
        ("connect --url x", 2, "mlx has no 'connect': there is no server to log in to"),
        ("code-repository list", 2, "a run records its commit"),
        ("user list", 2, "mlx has no 'user': there is no server with users"),
        ("service-connector register x --type aws", 2, "mlx secret create NAME --KEY"),
    ],
)
def test_commands_that_are_not_in_the_table_are_answered(
    mlx: Callable[..., Any], command: str, code: int, said: str
) -> None:
    result = mlx(*command.split())
    assert result.code == code, result.stderr
    assert said in result.stderr
