"""How runs end when hooks, loops, threads and forked children get in the way."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mlxkit import Client
from mlxkit.errors import ExitCode

from .test_run import started

HEAD = """
    import os, sys, time
    from pathlib import Path
    from mlxkit import Client, pipeline, step
"""


def statuses() -> dict[str, str]:
    return {name: item.status for name, item in Client().get_pipeline_run().steps.items()}


def test_ctrl_c_ends_a_loop_over_runs_that_swallows_exceptions(write: Any, mlx_process: list[str]) -> None:
    write(
        "p.py",
        HEAD
        + """
    @step
    def slow(i: int) -> int:
        Path("started").touch()
        time.sleep(60)
        return i

    @pipeline
    def p(i: int) -> None:
        slow(i)

    for i in range(3):
        try:
            p(i)
        except Exception as error:
            print("swallowed", error)
    """,
    )
    process = started([*mlx_process, "run", "p.py"])
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=20)
    assert process.returncode == ExitCode.interrupted, errors
    assert "swallowed" not in output
    assert "was interrupted" in errors
    assert len(Client().runs.list()) == 1


@pytest.mark.parametrize("hook", ["sys.exit(0)", "raise ValueError('hook')"])
def test_a_hook_cannot_lose_the_step_it_follows(write: Any, mlx: Any, hook: str) -> None:
    write(
        "p.py",
        HEAD
        + f"""
    def after():
        {hook}

    @step(on_success=after)
    def first() -> int:
        return 1

    @step
    def second(x: int) -> int:
        return x

    @pipeline
    def p() -> None:
        second(first())
    """,
    )
    result = mlx("run", "p.py")
    assert result.code == ExitCode.ok, result.stderr
    assert "hook 'after' failed" in result.stderr
    assert statuses() == {"first": "completed", "second": "completed"}


def test_ctrl_c_in_a_hook_leaves_the_finished_step_to_the_cache(write: Any, mlx_process: list[str]) -> None:
    write(
        "p.py",
        HEAD
        + """
    def after():
        Path("started").touch()
        time.sleep(60)

    @step(on_success=after)
    def first() -> int:
        return 1

    @pipeline
    def p() -> None:
        first()
    """,
    )
    process = started([*mlx_process, "run", "p.py"])
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert statuses() == {"first": "completed"}
    assert Client().get_pipeline_run().status == "killed"


def test_ctrl_c_between_two_attempts_is_recorded(write: Any, mlx_process: list[str]) -> None:
    write(
        "p.py",
        HEAD
        + """
    from mlxkit import StepRetryConfig

    @step(retries=StepRetryConfig(max_retries=2, delay=60))
    def flaky() -> int:
        Path("started").touch()
        raise ValueError("again")

    @pipeline
    def p() -> None:
        flaky()
    """,
    )
    process = started([*mlx_process, "run", "p.py"])
    import time

    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert statuses() == {"flaky": "killed"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_that_looks_at_history_leaves_the_run_alone(
    write: Any, mlx: Any, mlx_process: list[str]
) -> None:
    write(
        "p.py",
        HEAD
        + """
    @step
    def forks() -> str:
        child = os.fork()
        if child == 0:
            Path("seen").write_text(Client().get_pipeline_run().status)
            os._exit(0)
        os.waitpid(child, 0)
        return Path("seen").read_text()

    @pipeline
    def p() -> None:
        print("child saw", forks())
    """,
    )
    done = subprocess.run([*mlx_process, "run", "p.py"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "child saw running" in done.stdout
    assert Client().get_pipeline_run().status == "completed"


def test_a_script_that_exits_with_a_message_shows_it(write: Any, mlx: Any) -> None:
    write("s.py", "import sys\nsys.exit('the data is not there')\n")
    result = mlx("run", "s.py")
    assert result.code == ExitCode.failed
    assert "the data is not there" in result.stderr


def test_parameters_for_a_plain_script_are_refused(write: Any, mlx: Any) -> None:
    write("s.py", "print('ran')\n")
    result = mlx("run", "s.py", "-p", "x=1")
    assert result.code == ExitCode.usage
    assert "takes no parameter x" in result.stderr
    assert "ran" not in result.stdout


def test_a_dry_run_of_a_file_that_looks_at_its_run_shows_the_plan(write: Any, mlx: Any) -> None:
    write(
        "p.py",
        HEAD
        + """
    @step
    def one() -> int:
        return 1

    @pipeline
    def p() -> None:
        one()

    print(p().status)
    """,
    )
    result = mlx("run", "p.py", "--dry-run", "-o", "name")
    assert result.code == ExitCode.ok, result.stderr
    assert result.stdout == "one\n"
    assert "a dry run makes none" in result.stderr


def test_a_step_called_in_a_thread_of_the_body_is_refused_and_in_one_of_a_step_is_the_function(
    write: Any, mlx: Any
) -> None:
    write(
        "p.py",
        HEAD
        + """
    from concurrent.futures import ThreadPoolExecutor

    @step
    def one(x: int) -> int:
        return x

    @step
    def inside() -> list:
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(one, range(3)))

    @pipeline
    def fine() -> None:
        print("got", inside())

    @pipeline
    def wrong() -> None:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(one, range(3)))
    """,
    )
    assert "got [0, 1, 2]" in mlx("run", "p.py:fine").stdout
    result = mlx("run", "p.py:wrong")
    assert result.code == ExitCode.usage
    assert "in a thread of the pipeline body" in result.stderr


def test_a_read_only_state_is_told_as_such(write: Any, mlx: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        "p.py",
        HEAD
        + "\n    @step\n    def one() -> int:\n        return 1\n\n    @pipeline\n    def p() -> None:\n        one()\n",
    )
    assert mlx("run", "p.py").code == 0
    database = Path(".mlx/history.db")
    database.unlink()
    database.mkdir()
    result = mlx("runs", "list")
    assert result.code == ExitCode.failed
    assert "the run history cannot be opened" in result.stderr
    assert "mv " not in result.stderr
