"""`mlx runs cancel` of runs of this machine: another process is told as Ctrl-C tells it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlxkit.errors import ExitCode
from mlxkit.runs.history import History
from mlxkit.runs.liveness import holder
from tests.conftest import Result

SLOW = """
import signal, sys, time
from pathlib import Path
from mlxkit import pipeline, step

@step
def wait(stubborn: bool) -> int:
    if stubborn:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    print("waiting", flush=True)
    Path("started").touch()
    time.sleep(60)
    return 1

@pipeline
def slow(stubborn: bool = False) -> None:
    wait(stubborn)
"""

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(mlx: Callable[..., Result], write: Callable[..., Path], mlx_process: list[str]) -> Iterator[Start]:
    """Start a run in a process of its own, and wait until its step is going on."""
    write("slow.py", SLOW)
    begun: list[subprocess.Popen[bytes]] = []

    def run(*argv: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [*mlx_process, "run", "slow.py", "--no-progress", *argv], stderr=subprocess.PIPE
        )
        begun.append(process)
        deadline = time.monotonic() + 60
        while not Path("started").exists() and time.monotonic() < deadline:
            assert process.poll() is None, process.stderr and process.stderr.read()
            time.sleep(0.05)
        Path("started").unlink()
        return process

    yield run
    for process in begun:
        process.kill()
        process.communicate()


def test_a_run_in_another_process_is_killed_and_says_so(mlx: Callable[..., Result], start: Start) -> None:
    process = start("--name", "mine")
    history = History(Path(".mlx"))
    (run_id,) = history.running()
    assert holder(history.alive_dir, run_id) == process.pid
    result = mlx("runs", "cancel", "mine", "-o", "json")
    assert result.code == 0, result.stderr
    assert [row["status"] for row in json.loads(result.stdout)] == ["killed"]
    assert "run mine is killed" in result.stderr
    assert process.wait(60) == ExitCode.interrupted
    again = mlx("runs", "cancel", "mine")
    assert (again.code, again.stdout) == (0, "")
    assert "had ended already: killed" in again.stderr


def test_a_run_that_does_not_listen_goes_on_and_that_is_an_error(
    mlx: Callable[..., Result], start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlxkit.runs.cancelling.PATIENCE", 0.5)
    process = start("--stubborn", "true")
    result = mlx("runs", "cancel", "latest")
    assert result.code == ExitCode.failed
    assert "has not ended yet" in result.stderr
    assert process.poll() is None


def test_a_process_that_was_killed_meanwhile_leaves_an_interrupted_run(
    mlx: Callable[..., Result], start: Start
) -> None:
    process = start()
    os.kill(process.pid, signal.SIGKILL)
    process.wait(60)
    result = mlx("runs", "cancel", "latest")
    assert result.code == 0
    assert "had ended already: interrupted" in result.stderr


def test_a_run_that_there_is_not_is_not_found(mlx: Callable[..., Result], project: Path) -> None:
    assert mlx("runs", "cancel", "nobody").code == ExitCode.not_found
