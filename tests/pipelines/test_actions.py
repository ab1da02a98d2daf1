"""`mlx run` and `mlx exec` in a job of GitHub Actions: a small runner of ours reads what they print, as GitHub's does."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlxkit.commands.jobwords import unobeyed
from mlxkit.pipelines.actions import WorkflowReporter, annotation, escaped

SECRET = "correct-horse-battery"
PIPELINE = """
    import subprocess, sys
    from mlxkit import pipeline, step

    @step
    def load() -> int:
        print("::add-path::/evil")
        print("##[warning]evil")
        print("::warning::evil", file=sys.stderr)
        subprocess.run(["sh", "-c", "echo ::error::evil; echo ::error::evil >&2"])
        print("half a line", end="")
        return 1

    @step
    def train(x: int) -> int:
        if "fail" in sys.argv:
            raise ValueError("100% bad:\\nreally, yes")
        return x

    @pipeline
    def p() -> None:
        print("::add-mask::evil")
        train(load())
"""


class Runner:
    """Obeys commands in lines as the runner does; `shown` is the rest, `obeyed` the commands."""

    KNOWN = ("group", "endgroup", "error", "warning", "add-mask", "add-path", "stop-commands")

    def __init__(self, text: str) -> None:
        self.obeyed: list[tuple[str, str, str]] = []
        self.shown: list[tuple[str, str]] = []
        self.token: str | None = None
        group = ""
        for line in text.splitlines():
            name, properties, data = self._parsed(line)
            if self.token is not None:
                if name == self.token:
                    self.token = None
                else:
                    self.shown.append((group, line))
            elif name == "stop-commands":
                self.token = data
            elif name:
                self.obeyed.append((name, properties, data))
                group = data if name == "group" else "" if name == "endgroup" else group
            else:
                self.shown.append((group, line))

    def _parsed(self, line: str) -> tuple[str, str, str]:
        """Read a line in the newer way, and where that finds no command in the older, anywhere in the line."""
        text = line.lstrip()
        heads = []
        if text.startswith("::") and "::" in text[2:]:
            heads.append(text[2:].partition("::"))
        if "##[" in text and "]" in text.partition("##[")[2]:
            heads.append(text.partition("##[")[2].partition("]"))
        for head, _, data in heads:
            name, _, properties = head.partition(" ")
            for known in (*self.KNOWN, self.token or ""):
                if name and name.lower() == known.lower():
                    return known, properties, data
        return "", "", ""

    def of(self, name: str) -> list[tuple[str, str]]:
        return [(properties, data) for found, properties, data in self.obeyed if found == name]


@pytest.fixture
def job(mlx_process: list[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run shell lines as a step of a job; returns the exit status, both streams, and the summary."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", os.getcwd())
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(Path("summary.md").resolve()))

    def run(script: str) -> tuple[int, str, str]:
        lines = script.replace("mlx ", f"{' '.join(mlx_process)} ") + "\nexit $?\n"
        Path("job.sh").write_text(lines)
        runner = ["env", "-u", "GITHUB_ACTIONS", "sh", "-c", "GITHUB_ACTIONS=true bash job.sh; exit $?"]
        done = subprocess.run(runner, capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout, done.stderr

    return run


def test_a_step_has_a_group_and_cannot_inject_a_command(write: Any, job: Any) -> None:
    write("p.py", PIPELINE)
    code, out, err = job("mlx run p.py")
    assert (code, err) == (0, "")
    runner = Runner(out)
    assert [name for name, _, _ in runner.obeyed] == ["group", "endgroup", "group", "endgroup"]
    assert [data for _, data in runner.of("group")] == ["step load", "step train"]
    inside = [line for group, line in runner.shown if group == "step load"]
    assert inside.count("::add-path::/evil") == 1
    assert [line for line in inside if line.startswith("::error::evil")] == ["::error::evil"] * 2
    assert "half a line" in inside
    assert runner.token is None  # what the job prints afterwards is obeyed again
    assert "evil" not in str(runner.obeyed)


def test_a_failed_step_is_an_error_at_its_line(write: Any, job: Any) -> None:
    file = write("p.py", PIPELINE)
    code, out, err = job("mlx run p.py -- fail")
    assert code == 6
    line = 1 + next(n for n, text in enumerate(file.read_text().splitlines()) if "raise ValueError" in text)
    wanted = f"file=p.py,line={line},title=step train"
    assert Runner(out).of("error") == [(wanted, "ValueError: 100%25 bad:")]
    assert "step 'train' failed" in err


def test_a_script_and_a_mistake_are_errors_too(write: Any, job: Any) -> None:
    write("script.py", "x = 1\n\nraise RuntimeError('no')\n")
    _, out, _ = job("mlx run script.py")
    ((properties, message),) = Runner(out).of("error")
    assert properties.startswith("file=script.py,line=3,title=")
    assert "RuntimeError" in message
    _, out, err = job("mlx run nothing.py")
    assert [message.partition(" (")[0] for _, message in Runner(out + err).of("error")] == [
        "no file 'nothing.py'"
    ]


def test_every_secret_is_masked_before_its_first_use_line_by_line(
    write: Any, job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("p.py", PIPELINE)
    Path("mlx.yaml").write_text(
        "version: 1\ndefault_stack: s\nexperiment_trackers:\n"
        "  here: {flavor: mlflow, tags: {note: <<mine.word>>}}\nstacks:\n  s: {experiment_tracker: here}\n"
    )
    monkeypatch.setenv("MLX_SECRET_MINE__WORD", f"{SECRET}\n}}\n50%-of-it\n")
    _, out, err = job("mlx run p.py")
    runner = Runner(out)
    assert [data for _, data in runner.of("add-mask")] == [SECRET, "50%25-of-it"]
    assert [name for name, _, _ in runner.obeyed][:2] == ["add-mask", "add-mask"]
    assert SECRET not in str(runner.shown) + err
    _, out, err = job("mlx run p.py > out.txt 2> err.txt")  # a file is kept, and is not the runner
    assert SECRET not in out + err + Path("out.txt").read_text() + Path("err.txt").read_text()
    _, out, err = job("mlx run p.py 2>&1 | cat")
    assert SECRET not in out + err


@pytest.mark.parametrize(
    ("line", "is_told"),
    [
        ("bash build.sh > log.txt 2>&1", False),
        ("bash build.sh 2>&1 | tee log.txt", False),
        ("bash outer.sh", False),
        ("bash build.sh", True),
    ],
)
def test_a_secret_is_told_where_no_shell_of_the_job_redirects_what_it_runs(
    write: Any, job: Any, monkeypatch: pytest.MonkeyPatch, mlx_process: list[str], line: str, is_told: bool
) -> None:
    write("p.py", PIPELINE)
    write("build.sh", f"{' '.join(mlx_process)} run p.py\necho built\n")
    write("outer.sh", "bash build.sh 2>&1 | tee log.txt\necho done\n")
    Path("mlx.yaml").write_text(
        "version: 1\ndefault_stack: s\nexperiment_trackers:\n"
        "  here: {flavor: mlflow, tags: {note: <<mine.word>>}}\nstacks:\n  s: {experiment_tracker: here}\n"
    )
    monkeypatch.setenv("MLX_SECRET_MINE__WORD", SECRET)
    _, out, err = job(line)
    kept = Path("log.txt").read_text() if not is_told else ""
    assert "step load" in (out if is_told else kept)
    assert SECRET not in kept
    assert (SECRET in out + err) is is_told


def test_stdout_that_goes_to_a_program_holds_no_command(write: Any, job: Any) -> None:
    write("p.py", PIPELINE.replace('print("::add-path::/evil")', 'print("data")'))
    _, _, err = job("mlx run p.py | grep -v evil > data.txt")
    assert Path("data.txt").read_text() == "data\nhalf a line\n"
    assert [data for _, data in Runner(err).of("group")] == ["step load", "step train"]


def test_a_dry_run_keeps_its_data_readable(write: Any, job: Any) -> None:
    write("p.py", PIPELINE.replace('print("::add-mask::evil")', "pass"))
    _, out, _ = job("mlx run p.py --dry-run -o json")
    assert [item["name"] for item in json.loads(out)] == ["load", "train"]


def test_the_summary_has_the_run_its_steps_and_metrics(write: Any, job: Any) -> None:
    Path("mlx.yaml").write_text(
        "version: 1\ndefault_stack: s\nexperiment_trackers:\n  here: {flavor: mlflow}\nstacks:\n  s: {experiment_tracker: here}\n"
    )
    Path("log.py").write_text("import mlflow\nmlflow.log_metric('rmse', 0.25)\n")
    job(f"mlx exec --name night_1 -- {sys.executable} log.py")
    text = Path("summary.md").read_text()
    assert text.startswith("## night\\_1\n")
    assert "| Stack | s |\n| Status | completed |" in text
    assert "| rmse | 0.25 |" in text
    assert "[The run on its tracker](http://127.0.0.1:" in text
    write("p.py", PIPELINE)
    job("mlx run p.py --stack s -- fail")
    text = Path("summary.md").read_text()
    assert "| train | failed | " in text
    assert text.count("## ") == 2


@pytest.mark.parametrize("path", ["", "/nowhere/summary.md", "."])
def test_a_summary_that_cannot_be_written_fails_nothing(
    write: Any, job: Any, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    write("p.py", PIPELINE)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", path)
    assert job("mlx run p.py")[0] == 0


def test_exec_leaves_the_streams_of_a_program_alone(write: Any, job: Any) -> None:
    code, out, err = job("mlx exec -- sh -c 'echo data; echo ::error::evil >&2; exit 3'")
    assert (code, out) == (3, "data\n")
    runner = Runner(err)
    assert [(name, data) for name, _, data in runner.obeyed] == [("error", "exit status 3")]


@pytest.mark.parametrize(
    "call",
    [
        'subprocess.run(["printf", "no newline"])',
        'subprocess.run("printf no\\ newline >&2", shell=True)',
        'os.write(2, b"no newline")',
    ],
)
def test_an_unfinished_line_of_a_child_does_not_hide_our_commands(write: Any, job: Any, call: str) -> None:
    body = f"""
        import os, subprocess
        from mlxkit import pipeline, step

        @step
        def load() -> int:
            {call}
            return 1

        @pipeline
        def p() -> None:
            load()
    """
    write("p.py", body)
    code, out, _ = job("printf before; mlx run p.py")
    assert code == 0
    runner = Runner(out)
    assert [name for name, _, _ in runner.obeyed] == ["group", "endgroup"]
    assert runner.token is None
    assert ("step load", "no newline") in runner.shown


def test_an_unfinished_line_of_a_program_does_not_hide_our_commands(job: Any) -> None:
    code, out, err = job("mlx exec -- sh -c 'printf nonewline; printf nonewline >&2; exit 3'")
    assert (code, out) == (3, "nonewline")
    runner = Runner(err)
    assert [(name, data) for name, _, data in runner.obeyed] == [("error", "exit status 3")]
    assert runner.token is None
    _, both, _ = job("mlx exec -- sh -c 'printf nonewline; exit 3' 2>&1")
    assert Runner(both).token is None


EVIL = "bad row ##[add-mask]completed"


def test_the_words_of_an_error_are_no_commands(write: Any, job: Any) -> None:
    write("p.py", PIPELINE.replace("100% bad:\\nreally, yes", EVIL))
    code, out, err = job("mlx run p.py -- fail")
    assert code == 6
    assert "bad row" in err
    told = Runner(out).obeyed + Runner(err).obeyed
    assert [data for name, _, data in told if name == "error"] == [f"ValueError: {EVIL}"]
    assert not [item for item in told if item[0] == "add-mask"]


@pytest.mark.parametrize(
    "words",
    [
        f"run '{EVIL}'",
        f"run p.py --stack '{EVIL}'",
        f"run p.py -p '{EVIL}=1'",
        f"run p.py --dry-run -o json --stack '{EVIL}'",
        f"--debug run p.py --stack '{EVIL}'",
        f"'{EVIL}'",
        f"runs describe '{EVIL}'",
        f"exec -- '{EVIL}'",
        "run script.py",
    ],
)
def test_words_of_the_command_line_are_no_commands(write: Any, job: Any, words: str) -> None:
    write("p.py", PIPELINE)
    write("script.py", f"import sys\nsys.exit('{EVIL}\\n ::add-mask::completed')\n")
    code, out, err = job(f"mlx {words}")
    assert code != 0
    assert "completed" in err
    assert [item for item in Runner(out).obeyed + Runner(err).obeyed if item[0] == "add-mask"] == []
    for line in err.splitlines():
        if line.startswith("{"):
            assert EVIL in json.loads(line)["message"]


def test_an_unfinished_line_is_ended_once() -> None:
    log = io.StringIO()
    reporter = WorkflowReporter(log)
    reporter.watched(log).write("half")
    reporter.detail("one")
    reporter.detail("two")
    assert log.getvalue() == "half\none\ntwo\n"


def test_a_warning_is_an_annotation_also_where_nothing_else_is_said() -> None:
    log = io.StringIO()
    reporter = WorkflowReporter(log, is_quiet=True)
    reporter.detail("more")
    reporter.warned("100% sure")
    assert Runner(log.getvalue()).of("warning") == [("title=mlx", "100%25 sure")]
    assert "more" not in log.getvalue()


def test_values_and_properties_are_escaped() -> None:
    assert escaped("100%\r\n:,") == "100%25%0D%0A:,"
    assert annotation("error", "a\nb", "step a,b: 5%") == "::error title=step a%2Cb%3A 5%25::a%0Ab"
    assert annotation("error", "m", "t", "/x/p.py:7") == "::error file=/x/p.py,line=7,title=t::m"


def test_words_are_left_as_they_are_but_for_what_a_runner_would_obey() -> None:
    assert unobeyed("a: ::b ##x [y] std::cout") == "a: ::b ##x [y] std::cout"
    assert unobeyed("::add-mask::x\n \t::error::y\r::z::") == ": :add-mask::x\n \t: :error::y\r: :z::"
    assert unobeyed("x ####[y] ##[z]") == "x #### [y] ## [z]"
