"""`mlx run` as people type it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlxkit import Client
from mlxkit.errors import ExitCode

PIPELINE = """
    from mlxkit import pipeline, step

    @step
    def number(value: int) -> int:
        print(f"value {value}")
        return value

    @step
    def double(value: int) -> int:
        return value * 2

    @pipeline
    def doubled(value: int = 2, label: str = "x") -> None:
        result = double(number(value))
        print(f"{label}: {result}")
"""


def test_a_file_that_calls_nothing_has_its_only_pipeline_called(write: Any, mlx: Any) -> None:
    write("p.py", PIPELINE)
    result = mlx("run", "p.py")
    assert result.code == ExitCode.ok, result.stderr
    assert result.stdout == "value 2\nx: 4\n"
    assert "step number done" in result.stderr
    assert "completed" in result.stderr


def test_parameters_come_from_flags_assignments_and_a_file(write: Any, mlx: Any) -> None:
    write("p.py", PIPELINE)
    write("run.yaml", "parameters:\n  value: 5\n  label: from file\n")
    assert "x: 14" in mlx("run", "p.py", "--value", "7").stdout
    assert "y: 16" in mlx("run", "p.py", "-p", "value=8", "--label=y").stdout
    assert "from file: 10" in mlx("run", "p.py", "--config", "run.yaml").stdout
    assert "from file: 18" in mlx("run", "p.py", "--config", "run.yaml", "--value", "9").stdout


def test_a_misspelt_parameter_is_a_usage_error_and_leaves_nothing_behind(write: Any, mlx: Any) -> None:
    write("p.py", PIPELINE)
    result = mlx("run", "p.py", "--vlaue", "7")
    assert result.code == ExitCode.usage
    assert "has no parameter 'vlaue' (did you mean 'value'?)" in result.stderr
    assert "mlx run --help" in result.stderr
    assert mlx("runs", "list", "-o", "json").stdout == "[]\n"


def test_a_value_that_does_not_fit_is_a_usage_error(write: Any, mlx: Any) -> None:
    write("p.py", PIPELINE)
    result = mlx("run", "p.py", "--value", "many")
    assert result.code == ExitCode.usage
    assert "pipeline 'doubled': value: 'many' is not an int" in result.stderr


def test_a_file_that_calls_its_pipelines_runs_those_and_no_other(write: Any, mlx: Any) -> None:
    write("p.py", PIPELINE + "\n    doubled()\n    doubled(value=3)\n")
    result = mlx("run", "p.py")
    assert result.code == ExitCode.ok, result.stderr
    assert result.stdout.count("x: ") == 2
    assert len(Client().runs.list()) == 2


def test_the_main_guard_runs_as_with_python(write: Any, mlx: Any) -> None:
    write("p.py", PIPELINE + '\n    if __name__ == "__main__":\n        doubled(21)\n')
    assert "x: 42" in mlx("run", "p.py").stdout


def test_several_pipelines_and_no_call_are_listed(write: Any, mlx: Any) -> None:
    write("p.py", PIPELINE + "\n    @pipeline\n    def other() -> None:\n        number(1)\n")
    result = mlx("run", "p.py")
    assert result.code == ExitCode.usage
    assert "doubled, other" in result.stderr
    assert mlx("run", "p.py:other").code == ExitCode.ok
    assert Client().runs.list()[0].pipeline == "other"


def test_a_pipeline_name_that_does_not_exist_suggests_one(write: Any, mlx: Any) -> None:
    write("p.py", PIPELINE)
    result = mlx("run", "p.py:doublet")
    assert result.code == ExitCode.not_found
    assert "'doublet' is not defined (did you mean 'doubled'?)" in result.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def (:\n", "p.py:1: invalid syntax"),
        ("x = 1 / 0\n", "ZeroDivisionError: division by zero"),
        ("import nothing_here\n", "No module named"),
    ],
)
def test_a_broken_file_is_told_without_a_traceback_of_ours(
    write: Any, mlx: Any, text: str, message: str
) -> None:
    write("p.py", text)
    result = mlx("run", "p.py")
    assert result.code == ExitCode.failed
    assert message in result.stderr
    assert "mlxkit/" not in result.stderr


def test_a_file_that_is_not_there_suggests_one_that_is(write: Any, mlx: Any) -> None:
    write("train.py", PIPELINE)
    result = mlx("run", "trian.py")
    assert result.code == ExitCode.not_found
    assert "did you mean 'train.py'?" in result.stderr
    assert mlx("run", "..").code == ExitCode.usage


def test_a_failing_step_names_itself_its_inputs_and_exits_with_6(write: Any, mlx: Any) -> None:
    write(
        "p.py",
        """
        from mlxkit import pipeline, step

        @step
        def one() -> int:
            return 1

        @step
        def fails(value: int, rate: float) -> int:
            raise ValueError("bad rate")

        @step
        def after(value: int) -> int:
            return value

        @pipeline
        def broken() -> None:
            after(fails(one(), 0.5))
        """,
    )
    result = mlx("run", "p.py")
    assert result.code == ExitCode.step_failed
    assert "ValueError: bad rate" in result.stderr
    assert "in step 'fails', called with rate=0.5, value from one.output" in result.stderr
    assert "step after skipped (step 'fails' did not complete)" in result.stderr
    assert 'raise ValueError("bad rate")' in result.stderr
    assert "mlxkit/" not in result.stderr
    described = json.loads(mlx("runs", "describe", "-o", "json").stdout)
    assert described["status"] == "failed"
    assert [item["status"] for item in described["steps"]] == ["completed", "failed", "skipped"]


def test_a_dry_run_says_what_would_run_and_leaves_nothing_behind(write: Any, mlx: Any) -> None:
    write("p.py", PIPELINE.replace('print(f"{label}: {result}")', "pass"))
    planned = json.loads(mlx("run", "p.py", "--dry-run", "-o", "json").stdout)
    assert [(item["name"], item["action"]) for item in planned] == [("number", "run"), ("double", "unknown")]
    assert mlx("runs", "list", "-o", "json").stdout == "[]\n"
    assert mlx("run", "p.py").code == ExitCode.ok
    planned = json.loads(mlx("run", "p.py", "--dry-run", "-o", "json").stdout)
    assert [(item["name"], item["action"]) for item in planned] == [
        ("number", "cached"),
        ("double", "cached"),
    ]
    assert len(Client().runs.list()) == 1


def test_a_changed_helper_runs_the_step_again_and_says_which(write: Any, mlx_process: list[str]) -> None:
    write("helpers.py", "def scale(x):\n    return x * 2\n")
    path = write(
        "p.py",
        """
        from helpers import scale
        from mlxkit import pipeline, step

        @step
        def scaled(x: int) -> int:
            return scale(x)

        @pipeline
        def p() -> None:
            print(f"got {scaled(3)}")
        """,
    )
    argv = [*mlx_process, "run", path.name]
    assert "got 6" in subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    again = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert "step scaled cached" in again.stderr
    write("helpers.py", "# a comment\n\ndef scale(x):\n    return x * 2\n")
    assert "step scaled cached" in subprocess.run(argv, capture_output=True, text=True, check=True).stderr
    write("helpers.py", "def scale(x):\n    return x * 3\n")
    plan = subprocess.run([*argv, "--dry-run"], capture_output=True, text=True, check=True)
    assert "scale" in plan.stdout and "changed" in plan.stdout
    assert "got 9" in subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def test_code_that_arrives_inside_an_input_takes_part_in_the_cache(
    write: Any, mlx_process: list[str]
) -> None:
    helpers = write("helpers.py", "def scale(x):\n    return x * 2\n")
    edited_at = int(time.time()) + 60  # as recent as can be, however slow this machine is
    os.utime(helpers, (edited_at, edited_at))
    path = write(
        "p.py",
        """
        import helpers
        from mlxkit import pipeline, step

        @step
        def apply(function: object, x: int) -> int:
            return function(x)

        @pipeline
        def p() -> None:
            print(f"got {apply(helpers.scale, 3)}")
        """,
    )
    argv = [*mlx_process, "run", path.name]
    assert "got 6" in subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert "step apply cached" in subprocess.run(argv, capture_output=True, text=True, check=True).stderr
    write("helpers.py", "def scale(x):\n    return x * 3\n")
    os.utime(helpers, (edited_at, edited_at))  # as long as before, and within the same second
    assert "got 9" in subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def test_the_end_of_what_a_step_prints_is_not_lost_when_it_begins_like_a_secret(
    write: Any, mlx: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLX_SECRET_S__TOKEN", "abcdefgh-token")
    write(
        "p.py",
        """
        from mlxkit import Client, pipeline, step

        @step
        def prints() -> None:
            print(Client().secrets.lookup("s")["token"])
            print("ends with abcdefg", end="")

        @pipeline
        def p() -> None:
            prints()
        """,
    )
    result = mlx("run", "p.py")
    assert result.stdout == "***\nends with abcdefg"
    assert mlx("runs", "logs", "latest", "prints").stdout == "***\nends with abcdefg\n"


def test_no_cache_runs_every_step(write: Any, mlx: Any) -> None:
    write("p.py", PIPELINE)
    mlx("run", "p.py")
    assert "value 2" not in mlx("run", "p.py").stdout
    assert "value 2" in mlx("run", "p.py", "--no-cache").stdout


def test_the_run_takes_the_name_it_is_given(write: Any, mlx: Any) -> None:
    write("p.py", PIPELINE)
    assert mlx("run", "p.py", "--name", "nightly").code == 0
    assert json.loads(mlx("runs", "describe", "nightly", "-o", "json").stdout)["name"] == "nightly"


def test_words_after_two_dashes_go_to_the_file(write: Any, mlx: Any) -> None:
    write(
        "p.py",
        "import sys\n"
        + "from mlxkit import pipeline, step\n\n@pipeline\ndef p() -> None:\n    print(sys.argv[1:])\n",
    )
    assert mlx("run", "p.py", "--", "--value", "7").stdout == "['--value', '7']\n"
    result = mlx("run", "p.py", "word")
    assert result.code == ExitCode.usage
    assert "word after p.py is no parameter" in result.stderr


def test_a_plain_script_is_one_run_and_gets_its_own_arguments(write: Any, mlx: Any) -> None:
    write("s.py", "import sys\nprint(sys.argv[1:], __name__)\n")
    result = mlx("run", "s.py", "--lr", "0.1", "--", "more")
    assert result.stdout == "['--lr', '0.1', 'more'] __main__\n"
    run = Client().runs.list()[0]
    assert (run.kind, run.pipeline, run.status) == ("script", "s", "completed")


def test_a_script_that_exits_keeps_its_status(write: Any, mlx: Any) -> None:
    write("s.py", "import sys\nsys.exit(3)\n")
    assert mlx("run", "s.py").code == 3
    assert Client().runs.list()[0].status == "failed"
    write("s.py", "import sys\nsys.exit(0)\n")
    assert mlx("run", "s.py").code == 0
    assert Client().runs.list()[0].status == "completed"


def test_what_steps_print_can_be_read_again(write: Any, mlx: Any) -> None:
    write("p.py", PIPELINE)
    mlx("run", "p.py")
    assert "value 2" in mlx("runs", "logs").stdout
    assert mlx("runs", "logs", "latest", "number").stdout == "value 2\n"
    result = mlx("runs", "logs", "latest", "nmber")
    assert result.code == ExitCode.not_found
    assert "did you mean 'number'?" in result.stderr


def test_the_same_file_works_with_python(write: Any, mlx_process: list[str]) -> None:
    path = write("p.py", PIPELINE + "\n    doubled()\n")
    done = subprocess.run([mlx_process[0], path.name], capture_output=True, text=True, check=True)
    assert done.stdout == "value 2\nx: 4\n"
    assert Client().runs.list()[0].status == "completed"


def test_a_failure_under_python_is_told_without_a_traceback_of_ours(
    write: Any, mlx_process: list[str]
) -> None:
    text = PIPELINE.replace("return value * 2", "raise ValueError('no')") + "\n    doubled()\n"
    done = subprocess.run(
        [mlx_process[0], write("p.py", text).name], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "error: step 'double' failed: ValueError: no" in done.stderr
    assert "mlxkit/" not in done.stderr


SLOW = """
    import time
    from pathlib import Path
    from mlxkit import pipeline, step

    @step
    def quick() -> int:
        return 1

    @step
    def slow(x: int) -> int:
        Path("started").touch()
        if not Path("hurry").exists():
            time.sleep(60)
        return x

    @pipeline
    def p() -> None:
        slow(quick())
"""


def started(argv: list[str], **options: Any) -> subprocess.Popen[str]:
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    deadline = time.monotonic() + 60
    while not Path("started").exists():
        assert time.monotonic() < deadline and process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    return process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_as_killed(write: Any, mlx_process: list[str], number: int, code: int) -> None:
    write("p.py", SLOW)
    process = started([*mlx_process, "run", "p.py"])
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == code, errors
    assert "Traceback" not in errors
    run = Client().get_pipeline_run()
    assert run.status == "killed"
    assert {name: item.status for name, item in run.steps.items()} == {"quick": "completed", "slow": "killed"}


def test_a_second_ctrl_c_ends_at_once(write: Any, mlx_process: list[str]) -> None:
    write(
        "p.py",
        SLOW.replace("time.sleep(60)", "stubborn()").replace(
            "@step\n    def slow", STUBBORN + "    @step\n    def slow", 1
        ),
    )
    process = started([*mlx_process, "run", "p.py"])
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert Client().get_pipeline_run().status == "interrupted"


STUBBORN = """def stubborn():
        while True:
            try:
                time.sleep(60)
            except BaseException:
                pass

"""


def test_kill_9_is_seen_by_the_next_command_and_the_run_goes_on_from_the_cache(
    write: Any, mlx: Any, mlx_process: list[str]
) -> None:
    write("p.py", SLOW)
    process = started([*mlx_process, "run", "p.py"])
    assert json.loads(mlx("runs", "list", "-o", "json").stdout)[0]["status"] == "running"
    process.kill()
    process.communicate()
    listed = json.loads(mlx("runs", "list", "-o", "json").stdout)
    assert listed[0]["status"] == "interrupted"
    Path("hurry").touch()
    result = mlx("run", "p.py")
    assert result.code == 0
    assert "step quick cached" in result.stderr
    assert [item["status"] for item in json.loads(mlx("runs", "list", "-o", "json").stdout)] == [
        "completed",
        "interrupted",
    ]


def test_two_runs_at_once_lose_nothing(write: Any, mlx_process: list[str]) -> None:
    write("p.py", PIPELINE.replace("def doubled(", "def doubled("))
    argv = [*mlx_process, "run", "p.py", "--no-cache"]
    processes = [
        subprocess.Popen(
            [*argv, "--value", str(i)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for i in range(6)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    runs = Client().runs.list()
    assert sorted(run.parameters["value"] for run in runs) == list(range(6))
    assert all(len(Client().runs.steps(run.id)) == 2 and run.status == "completed" for run in runs)


def test_a_long_step_is_not_silent(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    from mlxkit.pipelines.reporting import LineReporter

    reporter = LineReporter(heartbeat=0.05)
    reporter.run_started("r", "s", None)
    reporter.step_started("train")
    deadline = time.monotonic() + 60
    text = ""
    while "still running" not in text and time.monotonic() < deadline:
        time.sleep(0.02)
        text += capsys.readouterr().err
    reporter.run_ended("r", "completed", 1.0, {})
    assert "step train still running" in text


def test_a_reader_that_goes_away_ends_quietly(write: Any, mlx_process: list[str]) -> None:
    write("p.py", PIPELINE)
    subprocess.run([*mlx_process, "run", "p.py"], check=True, capture_output=True)
    read, wrote = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*mlx_process, "runs", "list"], stdout=wrote, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(wrote)
    assert done.returncode == ExitCode.broken_pipe
    assert done.stderr == ""


def test_a_run_is_tagged_from_the_command_line_before_anything_else_happens(mlx: Any) -> None:
    Path("p.py").write_text(
        "from mlxkit import pipeline, step\n@step\ndef one() -> int:\n    return 1\n@pipeline\ndef p() -> None:\n    one()\n"
    )
    assert mlx("run", "p.py", "--tag", "keep", "--tag", "team=search").code == 0
    assert json.loads(mlx("runs", "list", "--tag", "team", "-o", "json").stdout)[0]["tags"] == [
        "keep",
        "team=search",
    ]
    wrong = mlx("run", "p.py", "--tag", "")
    assert wrong.code == 2
    assert len(json.loads(mlx("runs", "list", "-o", "json").stdout)) == 1


def test_as_json_a_run_prints_nothing_but_the_runs_that_were_made(mlx: Any) -> None:
    Path("p.py").write_text(
        "from mlxkit import pipeline, step\n@step\ndef one(x: int) -> int:\n    print('in a step')\n    return 1 // x\n"
        "@pipeline\ndef p(x: int = 1) -> None:\n    one(x)\n    print('in the body')\np()\np(x=2)\n"
    )
    done = mlx("run", "p.py", "-o", "json")
    runs = json.loads(done.stdout)
    assert [(run["pipeline"], run["status"], run["parameters"]) for run in runs] == [
        ("p", "completed", {"x": 1}), ("p", "completed", {"x": 2}),
    ]  # fmt: skip
    assert "in a step" in done.stderr and "in the body" in done.stderr
    failed = mlx("run", "p.py:p", "-p", "x=0", "-o", "json")
    assert failed.code == ExitCode.step_failed
    assert [run["status"] for run in json.loads(failed.stdout)] == ["failed"]
    assert json.loads(failed.stderr.splitlines()[-1])["exit_code"] == 6
    dry = mlx("run", "p.py", "--dry-run", "-o", "json")
    assert {item["action"] for item in json.loads(dry.stdout)} == {"cached"}


@pytest.mark.parametrize("words", [[], ["--dry-run"], ["--name", "b", "-p", "x=0"]])
@pytest.mark.parametrize("on_github", ["", "true"])
def test_what_a_child_or_a_library_prints_is_not_among_the_data(
    write: Any, mlx_process: list[str], words: list[str], on_github: str
) -> None:
    write(
        "p.py",
        """
        import os, subprocess, sys
        from mlxkit import pipeline, step

        subprocess.run(["echo", "CHILD OF FILE"])
        print("BUFFERED", file=sys.__stdout__)

        @step
        def one(x: int) -> int:
            subprocess.run(["echo", "CHILD"])
            os.write(1, b"LIBRARY\\n")
            return 1 // x

        @pipeline
        def p(x: int = 1) -> None:
            one(x)
        """,
    )
    done = subprocess.run(
        [*mlx_process, "run", "p.py", *words, "-o", "json"],
        env={**os.environ, "GITHUB_ACTIONS": on_github},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert len(json.loads(done.stdout)) == 1
    assert "CHILD OF FILE" in done.stderr and "BUFFERED" in done.stderr
    assert ("LIBRARY" in done.stderr) is ("--dry-run" not in words)
    assert done.returncode == (ExitCode.step_failed if "x=0" in words else 0)


def test_as_json_a_rerun_prints_nothing_but_its_result(mlx_process: list[str]) -> None:
    Path("p.py").write_text(
        "import subprocess\nfrom mlxkit import pipeline, step\n@step\ndef one() -> int:\n    subprocess.run(['echo', 'CHILD'])\n    return 1\n"
        "@pipeline\ndef p() -> None:\n    one()\n    print('in the body')\n"
    )
    for argv in (["run", "p.py"], ["runs", "rerun", "latest", "--no-cache", "-o", "json"]):
        done = subprocess.run([*mlx_process, *argv], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["same_outputs"] is True
    assert "CHILD" in done.stderr and "in the body" in done.stderr
