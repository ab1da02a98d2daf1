from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from mlxkit.errors import ExitCode, NotFoundError
from mlxkit.runs.history import History
from mlxkit.runs.logs import follow, logs_of
from mlxkit.runs.queries import RunQueries
from mlxkit.runs.records import RunRecord
from tests.conftest import Result

SLOW = """
import sys, time
from pathlib import Path
from mlxkit import pipeline, step

def wait_for(name):
    Path(name + ".reached").touch()
    while not Path(name).exists():
        time.sleep(0.02)

@step
def first() -> int:
    print("one")
    wait_for("go1")
    print("two ü", end="")
    return 1

@step
def silent(n: int) -> int:
    return n

@step
def last(n: int) -> None:
    wait_for("go2")
    print("three")

@pipeline
def p() -> None:
    last(silent(first()))
"""


@pytest.fixture
def running(mlx: Callable[..., Result], mlx_process: list[str]) -> Iterator[subprocess.Popen[str]]:
    assert mlx("init").code == 0
    Path("p.py").write_text(SLOW)
    process = subprocess.Popen(
        [*mlx_process, "-q", "run", "--no-cache", "p.py"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    _until(lambda: Path("go1.reached").exists(), process)
    yield process
    process.kill()
    process.wait(60)


def _until(is_so: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _following(mlx_process: list[str], *argv: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*mlx_process, "runs", "logs", "latest", *argv, "-f"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _read_to(stream: IO[str] | None, word: str) -> str:
    assert stream is not None
    text = ""
    while word not in text:
        piece = stream.readline() if word.endswith("\\n") else stream.read(1)
        assert piece, text
        text += piece
    return text


def test_a_run_of_another_process_is_followed_from_step_to_step_until_it_ends(
    running: subprocess.Popen[str], mlx_process: list[str]
) -> None:
    all_of_it, one_step = _following(mlx_process), _following(mlx_process, "last")
    assert _read_to(all_of_it.stdout, "one\n") == "one\n"
    Path("go1").touch()
    assert _read_to(all_of_it.stdout, "two ü") == "two ü"
    Path("go2").touch()
    output, errors = all_of_it.communicate(timeout=60)
    assert (output, errors, all_of_it.returncode) == ("\nthree\n", "--- first\n--- last\n", 0)
    output, errors = one_step.communicate(timeout=60)
    assert (output, errors, one_step.returncode) == ("three\n", "", 0)


def test_ctrl_c_ends_following_without_a_word_and_leaves_the_run_alone(
    running: subprocess.Popen[str], mlx_process: list[str]
) -> None:
    following = _following(mlx_process)
    _read_to(following.stdout, "one\n")
    following.send_signal(signal.SIGINT)
    output, errors = following.communicate(timeout=60)
    assert (output, errors, following.returncode) == ("", "--- first\n", ExitCode.interrupted)
    assert running.poll() is None


def test_a_reader_that_goes_away_ends_following_quietly(
    running: subprocess.Popen[str], mlx_process: list[str]
) -> None:
    following = _following(mlx_process)
    _read_to(following.stdout, "one\n")
    assert following.stdout is not None and following.stderr is not None
    following.stdout.close()
    Path("go1").touch()
    Path("go2").touch()
    assert following.wait(60) == ExitCode.broken_pipe
    assert following.stderr.read() in ("--- first\n", "--- first\n--- last\n")


def test_following_ends_when_the_process_of_the_run_was_killed(
    running: subprocess.Popen[str], mlx_process: list[str]
) -> None:
    following = _following(mlx_process)
    _read_to(following.stdout, "one\n")
    running.send_signal(signal.SIGKILL)
    output, _ = following.communicate(timeout=60)
    assert (output, following.returncode) == ("", 0)


def test_what_was_printed_before_is_cut_to_its_last_lines(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.begin_run(RunRecord("r1", "n", "p", "s", "running", 1.0), {}, "e")
    history.finish_run("r1", "completed")
    folder = tmp_path / "logs" / "r1"
    folder.mkdir(parents=True)
    (folder / "00000-load.log").write_text("a\nb\nc")
    (folder / "00002-fit.log").write_text("d\ne\n")
    queries = RunQueries(history)
    assert logs_of(queries, tmp_path, "r1", None, tail=3) == [("load", "c"), ("fit", "d\ne\n")]
    assert logs_of(queries, tmp_path, "r1", "load", tail=1) == [("load", "c")]
    assert logs_of(queries, tmp_path, "r1", None, tail=0) == []
    assert [tuple(piece) for piece in follow(queries, tmp_path, "r1", None, tail=3)] == [
        ("load", "c", True),
        ("fit", "d\ne\n", True),
    ]
    assert [piece.text for piece in follow(queries, tmp_path, "r1", None)] == ["a\nb\nc", "d\ne\n"]
    with pytest.raises(NotFoundError, match="no step 'fits'"):
        list(follow(queries, tmp_path, "r1", "fits"))
    with pytest.raises(NotFoundError):
        logs_of(queries, tmp_path, "nobody", None)


def test_a_character_that_is_written_in_two_pieces_is_shown_as_one(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.begin_run(RunRecord("r1", "n", "p", "s", "running", 1.0), {}, "e")
    folder = tmp_path / "logs" / "r1"
    folder.mkdir(parents=True)
    log = folder / "00000-load.log"
    whole = "ü€".encode()
    log.write_bytes(whole[:1])
    (tmp_path / "running").mkdir()
    following = follow(RunQueries(history), tmp_path, "r1", None)
    writer = subprocess.Popen(
        [sys.executable, "-c", "import sys, time; time.sleep(1); open(sys.argv[1], 'ab').write(bytes.fromhex(sys.argv[2]))",
         os.fspath(log), whole[1:].hex()],
    )  # fmt: skip
    assert next(following).text == "ü€"
    assert writer.wait(60) == 0
    history.finish_run("r1", "completed")
    assert list(following) == []
