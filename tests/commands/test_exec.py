"""`mlx exec` without a terminal: what comes out, what is recorded, how it ends."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from mlxkit import Client

PYTHON = sys.executable
PLAIN = "version: 1\nstacks:\n  plain: {}\ndefault_stack: plain\n"
SECRET = "correct-horse-battery"


@pytest.fixture(autouse=True)
def project(home: Path) -> Path:
    """A project whose only stack has no tracker."""
    Path("mlx.yaml").write_text(PLAIN)
    return Path.cwd()


@pytest.fixture
def execute(mlx_process: list[str]) -> Any:
    """Run `mlx exec -- ...` to its end."""

    def run(*command: str, options: tuple[str, ...] = (), **how: Any) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*mlx_process, "exec", *options, "--", *command], capture_output=True, timeout=60, **how
        )

    return run


def with_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the stack hold a secret that the masker knows and the program can print."""
    Path("mlx.yaml").write_text(
        "version: 1\ndefault_stack: s\nexperiment_trackers:\n"
        "  here: {flavor: mlflow, tags: {note: <<mine.word>>}}\nstacks:\n  s: {experiment_tracker: here}\n"
    )
    monkeypatch.setenv("MLX_SECRET_MINE__WORD", SECRET)


def last() -> Any:
    return Client().runs.list()[0]


def test_streams_stay_apart_and_exit_status_and_words_are_the_program_s(execute: Any) -> None:
    done = execute(
        "sh", "-c", 'echo "out $1"; echo err >&2; exit 3', "sh", "--lr=1", options=("--name", "n1")
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, b"out --lr=1\n", b"err\n")
    run = last()
    assert (run.kind, run.status, run.name, run.pipeline, run.error) == (
        "program",
        "failed",
        "n1",
        "sh",
        "exit status 3",
    )
    assert run.parameters["command"] == """sh -c 'echo "out $1"; echo err >&2; exit 3' sh --lr=1"""


def test_words_after_the_program_are_its_own_even_without_the_dashes(mlx_process: list[str]) -> None:
    done = subprocess.run(
        [*mlx_process, "exec", "--pipeline", "nightly", "echo", "--help", "--", "-x", ""], capture_output=True, timeout=60
    )  # fmt: skip
    assert done.stdout in (b"--help -- -x \n", b"")  # an echo of its own may have a help
    assert last().pipeline == "nightly"
    done = subprocess.run(
        [*mlx_process, "exec", "--", PYTHON, "-c", "import sys; print(sys.argv[1:])", "--", "--name", "-o", ""],
        capture_output=True, timeout=60,
    )  # fmt: skip
    assert done.stdout == b"['--', '--name', '-o', '']\n"


def test_runs_commands_show_it(execute: Any, mlx: Any) -> None:
    execute("sh", "-c", "echo hello; echo there >&2")
    assert json.loads(mlx("runs", "list", "-o", "json").stdout)[0]["kind"] == "program"
    described = json.loads(mlx("runs", "describe", "-o", "json").stdout)
    assert [(step["name"], step["status"]) for step in described["steps"]] == [("sh", "completed")]
    assert sorted(mlx("runs", "logs").stdout.split()) == ["hello", "there"]


@pytest.mark.parametrize(
    ("word", "code", "told"),
    [
        ("no-such-command", 127, "no command 'no-such-command'"),
        ("./missing", 127, "no command './missing'"),
        ("./plain", 126, "./plain is not executable"),
        (".", 126, ". is a folder"),
        ("plain", 127, "mlx exec -- ./plain"),
    ],
)
def test_what_cannot_be_run_is_said_as_a_shell_would_and_leaves_no_run(
    mlx: Any, word: str, code: int, told: str
) -> None:
    Path("plain").write_text("")
    if word == ".":
        word = "./"
        told = "./ is a folder"
    done = mlx("exec", "--", word)
    assert (done.code, done.stdout) == (code, "")
    assert told in done.stderr
    assert Client().runs.list() == []


def test_a_program_whose_interpreter_is_missing_ends_its_run(execute: Any) -> None:
    Path("broken").write_text("#!/no/such/interpreter\n")
    Path("broken").chmod(0o755)
    done = execute("./broken")
    assert done.returncode == 126
    assert b"cannot be run" in done.stderr
    assert last().status == "failed"


def test_binary_output_and_input_pass_unharmed(execute: Any) -> None:
    data = bytes(range(256)) * 4096
    done = execute("cat", input=data)
    assert done.returncode == 0
    assert done.stdout == data


def test_binary_output_with_a_secret_in_it_loses_nothing_but_the_secret(
    execute: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_secret(monkeypatch)
    noise = bytes(range(256)) * 512
    done = execute("cat", input=noise + SECRET.encode() + noise)
    assert done.stdout == noise + b"***" + noise


def test_a_secret_is_masked_across_pieces_and_does_not_reach_the_program_s_environment(
    execute: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_secret(monkeypatch)
    code = f"""
import os, sys, time
assert not [name for name in os.environ if name.startswith("MLX_SECRET")], os.environ
for piece in ("a {SECRET[:9]}", "{SECRET[9:]} b", "{SECRET}"):
    sys.stdout.write(piece); sys.stdout.flush(); time.sleep(0.2)
sys.stderr.write("{SECRET}" + chr(10))
"""
    done = execute(PYTHON, "-c", code)
    assert (done.stdout, done.stderr) == (b"a *** b***", b"***\n")
    run = last()
    assert SECRET not in str(run.to_dict())
    assert "***" in run.parameters["command"]
    assert [SECRET in path.read_text(errors="replace") for path in Path(".mlx/logs").rglob("*.log")] == [
        False
    ]


def test_a_prompt_is_not_held_back(mlx_process: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with_secret(monkeypatch)
    process = subprocess.Popen(
        [*mlx_process, "exec", "--", "sh", "-c", "printf 'Your name, co'; read name; echo; echo hello $name"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin and process.stdout
    shown = b""
    while shown != b"Your name, co":  # `co` could be the beginning of the secret
        shown += os.read(process.stdout.fileno(), 100)
    rest, _ = process.communicate(b"ada\n", timeout=60)
    assert rest == b"\nhello ada\n"


def test_one_pipe_for_both_streams_keeps_their_order(mlx_process: list[str]) -> None:
    done = subprocess.run(
        [*mlx_process, "exec", "--", "sh", "-c", "for i in 1 2 3 4 5; do echo o$i; echo e$i >&2; done"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, text=True,
    )  # fmt: skip
    assert done.stdout.split() == [f"{kind}{number}" for number in range(1, 6) for kind in "oe"]


def test_each_stream_that_is_no_terminal_stays_none(execute: Any) -> None:
    code = "import sys; print([stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)])"
    assert execute(PYTHON, "-c", code, stdin=subprocess.DEVNULL).stdout == b"[False, False, False]\n"


def test_a_reader_that_goes_away_ends_the_program_as_without_us(mlx_process: list[str]) -> None:
    process = subprocess.Popen(
        ["bash", "-c", f"{' '.join(mlx_process)} exec -- yes | head -1; exit ${{PIPESTATUS[0]}}"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (128 + signal.SIGPIPE, "y\n", "")


def test_what_it_leaves_in_the_background_does_not_keep_us(execute: Any) -> None:
    began = time.monotonic()
    done = execute("sh", "-c", "sleep 300 & echo $!; exit 4")
    os.kill(int(done.stdout), signal.SIGKILL)
    assert done.returncode == 4
    assert time.monotonic() - began < 60


def test_what_it_leaves_in_the_background_writing_does_not_keep_us_either(execute: Any) -> None:
    script = "(for i in $(seq 1000); do echo noise; sleep 0.1; done) & echo $!; echo last; exit 5"
    done = execute("sh", "-c", script)  # it would take 100 s, and `execute` waits for 60
    subprocess.run(
        ["kill", done.stdout.split()[0]], check=False, capture_output=True
    )  # it may be gone by SIGPIPE
    assert done.returncode == 5
    assert b"last\n" in done.stdout
    log = next(Path(".mlx/logs").rglob("*.log")).read_text()
    assert "still write" in log.splitlines()[-1]


@pytest.mark.skipif(not hasattr(fcntl, "F_SETPIPE_SZ"), reason="this system has no size of a pipe to set")
def test_a_slow_reader_gets_everything_that_the_program_wrote(mlx_process: list[str]) -> None:
    process = subprocess.Popen(
        [*mlx_process, "exec", "--", PYTHON, "-c", "import os; os.write(1, b'x' * 60000); os.write(2, b'y' * 60000); os._exit(0)"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout and process.stderr
    fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 4096)  # so that writing there has to wait
    time.sleep(6)
    out, err = process.communicate(timeout=60)
    assert (len(out), len(err)) == (60000, 60000)


def started(argv: list[str], **how: Any) -> subprocess.Popen[str]:
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how)
    assert process.stdout and process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"])
def test_a_signal_reaches_the_program_and_ends_the_run_as_killed(mlx_process: list[str], name: str) -> None:
    number = signal.Signals[name]
    argv = [*mlx_process, "exec", "--", "sh", "-c", "echo ready; exec sleep 300"]
    process = started(argv, start_new_session=True)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert (last().status, last().error) == ("killed", f"ended by {name}")


def test_a_program_that_deals_with_a_signal_has_the_last_word(mlx_process: list[str]) -> None:
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
        "print('ready', flush=True)\ntime.sleep(300)\n"
    )
    process = started([*mlx_process, "exec", "--", PYTHON, "-c", code], start_new_session=True)
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert last().status == "completed"


def test_a_program_that_was_stopped_goes_on_with_us(mlx_process: list[str]) -> None:
    process = started(
        [*mlx_process, "exec", "--", "sh", "-c", "echo ready; exec sleep 300"], start_new_session=True
    )
    child = int(
        subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()[0]
    )
    os.kill(child, signal.SIGSTOP)
    wait_for(lambda: state(child) == "T")
    process.send_signal(signal.SIGCONT)
    wait_for(lambda: state(child) == "S")
    process.terminate()
    process.communicate(timeout=60)


def test_when_mlx_is_killed_the_program_is_told_and_the_run_closed_later(
    mlx_process: list[str], mlx: Any
) -> None:
    process = started([*mlx_process, "exec", "--", "sh", "-c", "echo ready; exec sleep 300"])
    child = int(
        subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()[0]
    )
    process.kill()
    process.wait(60)
    if sys.platform.startswith("linux"):
        wait_for(lambda: state(child) in ("", "Z"))
    else:
        os.kill(child, signal.SIGKILL)
    assert mlx("exec", "--stack", "plain", "--", "no-such-command").code == 127
    subprocess.run([*mlx_process, "exec", "--", "true"], timeout=60)
    assert [run.status for run in Client().runs.list()] == ["completed", "interrupted"]


def test_a_signal_that_was_ignored_stays_so(mlx_process: list[str]) -> None:
    code = "import signal; print(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN)"
    done = subprocess.run(
        ["nohup", *mlx_process, "exec", "--", PYTHON, "-c", code], capture_output=True, timeout=60, text=True
    )
    assert "True" in done.stdout


def state(pid: int) -> str:
    """Return the state of a process as ps writes it, or nothing when it is gone."""
    done = subprocess.run(["ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True)
    return done.stdout.strip()[:1]


def wait_for(what: Any) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("words", "is_json"),
    [
        ("exec nosuchprog -o json", False),
        ("-q exec --name n nosuchprog --output=json", False),
        ("exec -q -tteam nosuchprog -o json", False),
        ("exec -v --credentials=plugin nosuchprog -o json", False),
        ("exec -o json nosuchprog", True),
        ("exec --name nosuchprog -o json", True),
        ("run nothing.py -o json", True),
    ],
)
def test_words_of_the_program_do_not_decide_how_errors_are_said(
    mlx_process: list[str], words: str, is_json: bool
) -> None:
    done = subprocess.run([*mlx_process, *words.split()], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert done.stderr.startswith("{") is is_json, done.stderr
