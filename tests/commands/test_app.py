"""The command tree as a whole."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize("words", [[], ["stack"], ["tracker"], ["secrets-manager"]])
def test_a_group_alone_prints_its_help_and_no_error(mlx: Any, words: list[str]) -> None:
    done = mlx(*words)
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr.lstrip().startswith(f"Usage: {' '.join(['mlx', *words])} ")
    assert "error" not in done.stderr.lower().partition("options:")[0]
    assert "Commands:" in done.stderr


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["stak"], "stack"),
        (["tracker", "descrbe"], "describe"),
        (["tracker", "lst"], "list"),
        (["stack", "regster", "x"], "register"),
        (["secret", "creat", "x"], "create"),
        (["secrets-manager", "secrt"], "secret"),
    ],
)
def test_a_misspelt_command_is_answered_with_the_nearest(mlx: Any, words: list[str], meant: str) -> None:
    done = mlx(*words)
    assert done.code == 2
    assert f"(did you mean {meant!r}?)" in done.stderr
    assert " --help" in done.stderr


def test_a_word_like_no_command_is_answered_with_the_help_to_read(mlx: Any) -> None:
    done = mlx("tracker", "zzzzzz")
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr == "error: no command 'zzzzzz'\n  try: mlx tracker --help\n"
