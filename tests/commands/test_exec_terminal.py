"""`mlx exec` on a real terminal: what runs in it finds one, and ours is what it was afterwards."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from mlxkit import Client
from tests.fixtures.terminals import on_terminal

from .test_exec import SECRET, state, wait_for, with_secret

PYTHON = sys.executable


@pytest.fixture(autouse=True)
def project(home: Path) -> None:
    """A project whose only stack has no tracker."""
    Path("mlx.yaml").write_text("version: 1\nstacks:\n  plain: {}\ndefault_stack: plain\n")


@pytest.fixture
def argv(mlx_process: list[str]) -> Any:
    """The arguments of `mlx -q exec -- ...`."""
    return lambda *command: [*mlx_process, "--quiet", "exec", "--", *command]


def test_every_stream_is_a_terminal_of_the_same_size_and_exit_status_passes(argv: Any) -> None:
    code = (
        "import os, sys; print([stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)], "
        "os.get_terminal_size(1)); open('/dev/tty').close(); sys.exit(7)"
    )
    with on_terminal(argv(PYTHON, "-c", code), rows=33, columns=101) as terminal:
        assert terminal.wait() == 7
        assert "[True, True, True] os.terminal_size(columns=101, lines=33)\r\n" in terminal.output
        assert terminal.is_as_before()
    assert Path(next(Path(".mlx/logs").rglob("*.log"))).read_text().endswith("lines=33)\n")


def test_keys_reach_a_program_and_it_can_hide_them(argv: Any) -> None:
    code = "import getpass; print('got', input('name? '), getpass.getpass('word? '))"
    with on_terminal(argv(PYTHON, "-c", code)) as terminal:
        terminal.wait_for("name? ")
        terminal.send("ada\r")
        terminal.wait_for("word? ")
        terminal.send("xyzzy\r")
        terminal.wait_for("got ada xyzzy")
        assert terminal.wait() == 0
        assert terminal.output.count("xyzzy") == 1
        assert terminal.is_as_before()


def test_a_secret_is_masked_on_a_terminal_in_colours_too(argv: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with_secret(monkeypatch)
    with on_terminal(argv("printf", f"a \\033[31m{SECRET}\\033[0m b\\n")) as terminal:
        assert terminal.wait() == 0
        assert "a \x1b[31m***\x1b[0m b\r\n" in terminal.output


def test_ctrl_c_interrupts_the_program_and_leaves_the_terminal_sane(argv: Any) -> None:
    with on_terminal(argv("sh", "-c", "echo ready; exec sleep 300")) as terminal:
        terminal.wait_for("ready")
        terminal.send("\x03")
        assert terminal.wait() == 130
        assert terminal.is_as_before()
    assert (Client().runs.list()[0].status, Client().runs.list()[0].error) == ("killed", "ended by SIGINT")


def test_ctrl_d_ends_the_input(argv: Any) -> None:
    with on_terminal(argv("cat")) as terminal:
        terminal.wait_for(lambda _: terminal.is_raw())
        terminal.send("hello\r")
        terminal.wait_for("hello\r\nhello\r\n")
        terminal.send("\x04")
        assert terminal.wait() == 0


def test_the_program_learns_of_another_size(argv: Any) -> None:
    code = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGWINCH, lambda *_: print('now', tuple(os.get_terminal_size(1)), flush=True))\n"
        "print('ready', flush=True)\nwhile True: time.sleep(0.1)\n"
    )
    with on_terminal(argv(PYTHON, "-c", code)) as terminal:
        terminal.wait_for("ready")
        terminal.resize(40, 120)
        os.kill(terminal.process.pid, signal.SIGWINCH)
        terminal.wait_for("now (120, 40)")
        terminal.send("\x03")
        assert terminal.wait() == 130


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_to_us_ends_the_program_and_gives_the_terminal_back(argv: Any, name: str) -> None:
    with on_terminal(argv("sh", "-c", "echo ready; exec sleep 300")) as terminal:
        terminal.wait_for("ready")
        assert terminal.is_raw()
        os.kill(terminal.process.pid, signal.Signals[name])
        assert terminal.wait() == 128 + signal.Signals[name]
        assert terminal.is_as_before()


def test_ctrl_z_hands_the_terminal_to_the_shell_and_fg_goes_on(mlx_process: list[str]) -> None:
    Path("script.sh").write_text("echo pid=$$; read line; echo got $line; exit 5\n")
    command = f"{' '.join(mlx_process)} --quiet exec -- sh script.sh"
    with on_terminal(["bash", "--norc", "--noprofile", "-i"], PS1="shell> ") as terminal:
        terminal.wait_for("shell> ")
        terminal.send(f"{command}\r")
        terminal.wait_for(lambda text: re.search(r"pid=\d+\r", text) is not None)
        pid = int(terminal.output.rpartition("pid=")[2].split()[0])
        terminal.send("\x1a")
        terminal.wait_for("Stopped")
        wait_for(lambda: state(pid) == "T")  # on a loaded machine the signal may still be on its way
        terminal.send("echo back-in-$((40 + 2))\r")
        terminal.wait_for("back-in-42")
        terminal.send("fg\r")
        wait_for(lambda: state(pid) == "S")
        terminal.send("again\r")
        terminal.wait_for(
            lambda text: "shell> " in text.partition("got again")[2]
        )  # until then keys are ours
        terminal.send("echo status=$?\r")
        terminal.wait_for("status=5")


def test_redirected_output_is_a_pipe_for_the_program_and_errors_stay_on_the_terminal(argv: Any) -> None:
    code = (
        "import sys; print([stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)]); "
        "print('words', file=sys.stderr)"
    )
    with Path("out.txt").open("wb") as out:
        with on_terminal(argv(PYTHON, "-c", code), redirected={1: out.fileno()}) as terminal:
            assert terminal.wait() == 0
            assert terminal.output == "words\r\n"
            assert terminal.is_as_before()
    assert Path("out.txt").read_text() == "[True, False, True]\n"


def test_ctrl_c_reaches_a_program_with_redirected_output_once(argv: Any) -> None:
    code = (
        "import signal, sys, time\nseen = []\n"
        "signal.signal(signal.SIGINT, lambda *_: seen.append(1))\n"
        "print('ready', file=sys.stderr, flush=True)\n"
        "while not seen: time.sleep(0.05)\n"
        "time.sleep(1)\nprint(len(seen))\n"
    )
    with Path("out.txt").open("wb") as out:
        with on_terminal(argv(PYTHON, "-c", code), redirected={1: out.fileno()}) as terminal:
            terminal.wait_for("ready")
            terminal.send("\x03")
            assert terminal.wait() == 0
    assert Path("out.txt").read_text() == "1\n"


def test_input_from_a_pipe_reaches_a_program_whose_output_is_a_terminal(argv: Any) -> None:
    code = "import sys; print(sys.stdin.isatty(), sys.stdout.isatty(), sys.stdin.read())"
    source, end = os.pipe()
    os.write(end, b"piped")
    os.close(end)
    with on_terminal(argv(PYTHON, "-c", code), redirected={0: source}) as terminal:
        os.close(source)
        assert terminal.wait() == 0
        assert terminal.output == "False True piped\r\n"


def test_the_end_is_told_on_a_terminal_that_is_not_quiet(mlx_process: list[str]) -> None:
    with on_terminal([*mlx_process, "exec", "--name", "night", "--", "true"]) as terminal:
        assert terminal.wait() == 0
        assert "run night completed in" in terminal.output
        assert "see: mlx runs describe" in terminal.output
