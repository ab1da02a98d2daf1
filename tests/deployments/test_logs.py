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


def test_the_last_lines_of_a_large_log_are_read_from_its_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("".join(f"{n} {'ü' * 500}\n" for n in range(1000)))
    assert [line.partition(" ")[0] for line in last_lines(path, 200)] == [str(n) for n in range(800, 1000)]
    path.write_text("no end")
    assert last_lines(path, 2) == ["no end"]


@pytest.mark.parametrize(("count", "start"), [(1, "new\n"), (3, "b\nc\nnew\n"), (9, "a\nb\nc\nnew\n")])
def test_the_last_lines_go_back_into_the_log_that_was_set_aside(
    tmp_path: Path, count: int, start: str
) -> None:
    path = tmp_path / "log"
    (tmp_path / "log.1").write_text("a\nb\nc\n")
    path.write_text("new\n")
    assert last_lines(path, count) == start.split()
    assert "".join(followed(path, count, is_over=lambda: True)) == start


def test_a_character_that_is_written_in_two_parts_is_one(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes("für ".encode()[:2])
    rest = ["für ".encode()[2:]]

    def is_over() -> bool:
        if not rest:
            return True
        with path.open("ab") as file:
            file.write(rest.pop())
        return False

    assert "".join(followed(path, 10, is_over=is_over)) == "für "


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
