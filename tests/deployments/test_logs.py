"""A log is followed for as long as somebody writes it, whatever its file is called by then."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlxkit.config.logfiles import last_lines
from mlxkit.deployments.logs import followed


def write(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_the_last_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert last_lines(path, 5) == []
    path.write_text("".join(f"{n}\n" for n in range(10)))
    assert last_lines(path, 3) == ["7", "8", "9"]
    assert last_lines(path, 0) == []


@pytest.mark.parametrize(
    ("count", "start"), [(0, ""), (1, "c"), (2, "b\nc"), (3, "a\nb\nc"), (99, "a\nb\nc")]
)
def test_following_begins_with_the_last_lines(tmp_path: Path, count: int, start: str) -> None:
    path = tmp_path / "log"
    path.write_text("a\nb\nc")
    assert "".join(followed(path, count, is_over=lambda: True)) == start


def test_what_is_added_comes_through_the_log_being_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("one\n")
    events = [
        lambda: write(path, "two\n"),
        lambda: (write(path, "three\n"), path.replace(tmp_path / "log.1"), write(path, "four\n")),
        lambda: (path.unlink(), None),
        lambda: write(path, "five\n"),
    ]

    def is_over() -> bool:
        if not events:
            return True
        events.pop(0)()
        return False

    assert "".join(followed(path, 10, is_over=is_over)) == "one\ntwo\nthree\nfour\nfive\n"


def test_a_log_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "log"
    events = [lambda: None, lambda: write(path, "first\n")]

    def is_over() -> bool:
        if not events:
            return True
        events.pop(0)()
        return False

    assert "".join(followed(path, 10, is_over=is_over)) == "first\n"
