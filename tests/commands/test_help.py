"""`mlx help`: pages on a pipe, in `man` on a terminal, and near misses."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mlxkit.commands.app import COMMANDS
from mlxkit.errors import ExitCode
from mlxkit.reference.topics import GENERAL
from tests.conftest import Result

Mlx = Callable[..., Result]


def test_the_topics_are_listed(mlx: Mlx) -> None:
    done = mlx("help")
    listed = [line.split()[0] for line in done.stdout.splitlines()]
    assert listed == [*(name for name, row in COMMANDS.items() if not row.is_hidden), *GENERAL]


@pytest.mark.parametrize("topic", ["stack", "registry", *GENERAL])
def test_every_kind_of_topic_has_a_page(topic: str, mlx: Mlx) -> None:
    done = mlx("help", topic)
    assert done.code == 0 and done.stdout.startswith("NAME\n    mlx"), done.stderr


def test_every_listed_topic_has_a_page(mlx: Mlx) -> None:
    for line in mlx("help").stdout.splitlines():
        assert mlx("help", line.split()[0]).code == 0, line


def test_one_command_of_a_group(mlx: Mlx) -> None:
    done = mlx("help", "stack", "register")
    assert "mlx stack register [OPTIONS] NAME" in done.stdout
    assert "--artifact-store" in done.stdout
    assert "mlx stack rename" not in done.stdout


def test_the_exit_codes_are_those_of_the_program(mlx: Mlx) -> None:
    shown = mlx("help", "exit-codes").stdout
    assert set(re.findall(r"^    (\d+)$", shown, re.M)) == {str(int(code)) for code in ExitCode}


def test_the_name_of_a_page_works_too(mlx: Mlx) -> None:
    assert mlx("help", "mlx-stack").stdout == mlx("help", "stack").stdout


@pytest.mark.parametrize(("words", "near"), [(["stakc"], "stack"), (["stack", "regster"], "register")])
def test_a_near_miss_is_answered_with_the_right_word(words: list[str], near: str, mlx: Mlx) -> None:
    done = mlx("help", *words)
    assert done.code == ExitCode.not_found
    assert f"did you mean '{near}'?" in done.stderr


def on_a_terminal(*argv: str, environment: dict[str, str]) -> str:
    child, descriptor = pty.fork()
    if child == 0:
        os.execvpe(sys.executable, [sys.executable, "-m", "mlxkit", *argv], {**os.environ, **environment})
    seen, deadline = b"", time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            if select.select([descriptor], [], [], 0.5)[0]:
                try:
                    data = os.read(descriptor, 65536)
                except OSError:
                    break
                if not data:
                    break
                seen += data
    finally:
        os.close(descriptor)
        os.waitpid(child, 0)
    return seen.decode("utf-8", "replace")


def test_on_a_terminal_man_shows_the_page() -> None:
    if shutil.which("man") is None:
        pytest.skip("man is not installed")
    shown = on_a_terminal("help", "stack", environment={"PAGER": "cat", "MANPAGER": "cat", "TERM": "dumb"})
    assert "MLX-STACK(1)" in shown


def test_without_man_the_pager_shows_it(tmp_path: Path) -> None:
    python = Path(sys.executable)
    (tmp_path / python.name).symlink_to(python)
    (tmp_path / "shown").write_text('#!/bin/sh\necho SHOWN; exec /bin/cat "$@"\n')
    (tmp_path / "shown").chmod(0o755)
    shown = on_a_terminal("help", "stack", environment={"PATH": str(tmp_path), "PAGER": "shown"})
    assert "SHOWN" in shown and "mlx stack register" in shown


def test_without_any_of_them_it_is_printed(tmp_path: Path) -> None:
    shown = on_a_terminal("help", "files", environment={"PATH": str(tmp_path), "PAGER": ""})
    assert "mlx.yaml" in shown


def test_on_a_pipe_no_program_is_started(tmp_path: Path) -> None:
    (tmp_path / "man").write_text("#!/bin/sh\necho WRONG\n")
    (tmp_path / "man").chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-m", "mlxkit", "help", "stack"],
        env={**os.environ, "PATH": str(tmp_path)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "WRONG" not in done.stdout and "mlx stack register" in done.stdout
