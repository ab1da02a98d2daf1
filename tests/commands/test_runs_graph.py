"""`mlx runs graph` as people type it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mlxkit.errors import ExitCode

DIAMOND = """
    from mlxkit import pipeline, step

    @step
    def load(rows: int) -> list:
        return list(range(rows))

    @step
    def left(rows: list) -> int:
        print("summing")
        if len(rows) > 5:
            raise ValueError("too many")
        return sum(rows)

    @step
    def right(rows: list) -> int:
        return len(rows)

    @step
    def join(a: int, b: int) -> int:
        return a + b

    @step
    def notify() -> None:
        pass

    @pipeline
    def diamond(rows: int = 3) -> None:
        data = load(rows)
        total = join(left(data), right(data))
        notify(after=total)
"""


@pytest.fixture
def ran(write: Any, mlx: Any) -> None:
    write("p.py", DIAMOND)
    assert mlx("run", "p.py").code == ExitCode.ok


def test_the_tree_of_the_last_run(ran: None, mlx: Any) -> None:
    result = mlx("runs", "graph")
    assert result.code == ExitCode.ok
    lines = result.stdout.splitlines()
    assert [line.partition("✓")[0].rstrip() for line in lines] == [
        "load", "├─ left", "│  └─ join", "│     └─ notify", "└─ right", "   └─ join  ↑ above",
    ]  # fmt: skip
    assert "completed" in lines[0]
    assert "first run" in lines[0]
    assert lines[2].endswith("← left, right")


def test_a_run_that_failed_says_where_and_what_was_left_out(write: Any, mlx: Any) -> None:
    write("p.py", DIAMOND)
    assert mlx("run", "p.py", "--rows", "9").code == ExitCode.step_failed
    told = json.loads(mlx("runs", "graph", "-o", "json").stdout)
    states = {step["name"]: step["status"] for step in told["steps"]}
    assert states == {
        "load": "completed",
        "left": "failed",
        "right": "completed",
        "join": "skipped",
        "notify": "skipped",
    }
    edges = {(edge["source"], edge["target"]) for edge in told["edges"]}
    assert edges == {
        ("load", "left"),
        ("load", "right"),
        ("left", "join"),
        ("right", "join"),
        ("join", "notify"),
    }
    assert "✗ failed" in mlx("runs", "graph").stdout


def test_a_cached_run_says_so(ran: None, mlx: Any) -> None:
    assert mlx("run", "p.py").code == ExitCode.ok
    assert mlx("runs", "graph").stdout.count("= cached  same as in run ") == 5


def test_colour_is_for_the_state_and_only_when_wanted(
    ran: None, mlx: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "\x1b" not in mlx("runs", "graph").stdout
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert mlx("runs", "graph").stdout.startswith("load\x1b[32m")


def test_a_terminal_without_these_letters_gets_ascii(ran: None, mlx_process: list[str]) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run([*mlx_process, "runs", "graph"], env=environment, capture_output=True, timeout=60)
    assert done.returncode == 0
    assert b"`- right" in done.stdout
    assert b"+ completed" in done.stdout


@pytest.mark.parametrize(
    ("how", "begins"),
    [
        ("mermaid", "flowchart TB\n"),
        ("dot", "digraph "),
        ("svg", "<svg "),
        ("html", "<!doctype html>\n"),
        ("tree", "load"),
    ],
)
def test_every_drawing_is_printed_or_written_to_a_file(ran: None, mlx: Any, how: str, begins: str) -> None:
    printed = mlx("runs", "graph", "latest", "--format", how)
    assert printed.stdout.startswith(begins)
    result = mlx("runs", "graph", "latest", "--format", how, "--output-file", "drawn")
    assert (result.code, result.stdout) == (ExitCode.ok, "")
    assert "graph written to drawn" in result.stderr
    assert Path("drawn").read_text("utf-8") == printed.stdout
    assert Path("drawn").stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_there_is_kept_unless_told(ran: None, mlx: Any) -> None:
    Path("mine").write_text("mine")
    result = mlx("runs", "graph", "--format", "svg", "--output-file", "mine")
    assert result.code == ExitCode.failed
    assert "--force" in result.stderr
    assert Path("mine").read_text() == "mine"
    assert mlx("runs", "graph", "--format", "svg", "--output-file", "mine", "--force").code == ExitCode.ok
    assert Path("mine").read_text().startswith("<svg")


def test_a_file_that_cannot_be_written_is_told_of(ran: None, mlx: Any) -> None:
    result = mlx("runs", "graph", "--output-file", "absent/drawn")
    assert result.code == ExitCode.failed
    assert "cannot write absent/drawn" in result.stderr


def test_the_page_of_a_failure_has_what_its_step_printed(write: Any, mlx: Any) -> None:
    write("p.py", DIAMOND)
    mlx("run", "p.py", "--rows", "9")
    text = mlx("runs", "graph", "--format", "html").stdout
    assert "summing" in text
    assert "ValueError: too many" in text


def test_a_run_that_is_not_there_is_not_found(ran: None, mlx: Any) -> None:
    result = mlx("runs", "graph", "nothing-of-that-name")
    assert result.code == ExitCode.not_found
    assert "no run 'nothing-of-that-name'" in result.stderr


def test_a_tree_is_cut_to_a_narrow_terminal(ran: None, mlx: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlxkit.commands import runs_graph

    assert mlx("run", "p.py").code == ExitCode.ok
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(runs_graph, "_width", lambda: 40)
    import re

    for line in mlx("runs", "graph").stdout.splitlines():
        assert len(re.sub(r"\x1b\[[\d;]*m", "", line)) <= 40


def test_nothing_heavy_is_imported(ran: None, mlx_process: list[str]) -> None:
    code = (
        "import sys; from mlxkit.commands.app import main; main(['runs', 'graph', '--format', 'html']); "
        "print([m for m in ('mlflow', 'pandas', 'numpy', 'yaml', 'rich', 'requests') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([mlx_process[0], "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stderr.splitlines()[-1] in ("[]", "['yaml']")
