"""The live view of `mlx run` on a real terminal, read back from its screen."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.terminals import Screen, on_terminal

SLOW = """
    import sys, time
    from pathlib import Path
    from mlxkit import pipeline, step

    def wait(name: str) -> None:
        while not Path(name).exists():
            time.sleep(0.02)

    @step
    def load() -> int:
        print("first line")
        wait("go-load")
        print("second line", file=sys.stderr)
        wait("end-load")
        return 1

    @step
    def train(x: int) -> int:
        wait("end-train")
        if Path("fail").exists():
            raise ValueError("no")
        return x

    @pipeline
    def p() -> None:
        train(load())
"""
MOVING = re.compile(r"step load \d+\.\ds")


@pytest.fixture
def argv(write: Any, mlx_process: list[str]) -> list[str]:
    """`mlx run` of a pipeline whose steps wait for files."""
    write("p.py", SLOW)
    return [*mlx_process, "run", "p.py"]


def go(*names: str) -> None:
    for name in names:
        Path(name).touch()


def test_steps_move_while_they_run_and_leave_a_line_when_they_end(argv: list[str]) -> None:
    with on_terminal(argv, PYTHONIOENCODING="utf-8") as terminal:
        terminal.wait_for(lambda text: MOVING.search(text) is not None)
        shown = terminal.screen()
        assert shown.text[0].startswith("run p-")
        assert shown.text[1] == "first line"
        assert re.fullmatch(r"▸ step load \d+\.\ds", shown.text[2])
        assert re.fullmatch(r"0 steps done, \d+\.\ds", shown.text[3])
        go("end-load", "go-load", "end-train")
        assert terminal.wait() == 0
        text = terminal.screen().text
        assert text[1:3] == ["first line", "second line"]
        assert re.fullmatch(r"✔ step load done \d+\.\d\ds", text[3])
        assert re.fullmatch(r"✔ step train done \d+\.\d\ds", text[4])
        assert text[5].endswith("s") and " completed in " in text[5]
        assert text[6].startswith("  see: mlx runs describe")
        assert text[7:] == [""]
        assert terminal.screen().is_cursor_shown
        assert terminal.is_as_before()


def test_the_last_run_is_what_is_expected_and_the_cache_has_a_mark(argv: list[str]) -> None:
    go("end-load", "go-load", "end-train")
    with on_terminal(argv) as terminal:
        assert terminal.wait() == 0
    Path("end-train").unlink()
    Path("p.py").write_text(Path("p.py").read_text().replace("return x", "return x + 1"))
    with on_terminal(argv, PYTHONIOENCODING="utf-8") as terminal:
        terminal.wait_for("step train 0.")
        text = terminal.screen().text
        assert text[1].startswith("≡ step load cached")
        assert re.fullmatch(r"█{10}░{10} 1 of about 2 steps done, \d+\.\ds", text[-1])
        go("end-train")
        assert terminal.wait() == 0


def test_signs_that_the_encoding_has_not_are_ascii_and_colours_are_only_where_wanted(
    argv: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    go("end-load", "go-load", "end-train", "fail")
    with on_terminal(argv, PYTHONIOENCODING="ascii") as terminal:
        assert terminal.wait() == 6
        text = terminal.screen().text
        assert any(line.startswith("+ step load done") for line in text)
        assert any(line.startswith("x step train failed") for line in text)
        assert "\x1b[3" not in terminal.output
    monkeypatch.delenv("NO_COLOR")
    with on_terminal(argv, PYTHONIOENCODING="utf-8") as terminal:
        assert terminal.wait() == 6
        assert "\x1b[31m✘\x1b[0m step train failed" in terminal.output


def test_a_prompt_and_a_progress_bar_of_the_user_s_are_left_alone(write: Any, mlx_process: list[str]) -> None:
    write(
        "p.py",
        """
        import sys, time
        from mlxkit import pipeline, step

        @step
        def asks() -> str:
            name = input("your name? ")
            for part in range(3):
                sys.stderr.write(f"\\r{part} of 3")
                sys.stderr.flush()
                time.sleep(0.3)
            sys.stderr.write("\\n")
            return name

        @pipeline
        def p() -> None:
            asks()
        """,
    )
    with on_terminal([*mlx_process, "run", "p.py"], PYTHONIOENCODING="utf-8") as terminal:
        terminal.wait_for("your name? ")
        assert not [True for _ in range(5) if terminal.read(0.2)]
        assert terminal.screen().text[-1].rstrip() == "your name?"
        terminal.send("ada\r")
        assert terminal.wait() == 0
        text = terminal.screen().text
        assert text[1] == "your name? ada"
        assert text[2] == "2 of 3"
        assert text[3].startswith("✔ step asks done")


def with_step(write: Any, mlx_process: list[str], body: str) -> list[str]:
    """Return `mlx run` of a step that does something once the view moves."""
    write(
        "p.py",
        f"""
        import getpass, os, subprocess, sys, time
        from pathlib import Path
        from mlxkit import pipeline, step

        @step
        def load() -> int:
            time.sleep(0.6)
            {body}
            return 1

        @pipeline
        def p() -> None:
            load()
        """,
    )
    return [*mlx_process, "run", "p.py"]


@pytest.mark.parametrize(
    ("body", "prompt"),
    [
        ("""subprocess.run(["sh", "-c", "printf 'Password: '; read x; echo got $x"])""", "Password: "),
        ('print("got", getpass.getpass("Token please: "))', "Token please: "),
        ("from getpass import unix_getpass as ask; print('got', ask('Secret: '))", "Secret: "),
        (
            "tty = os.open('/dev/tty', os.O_RDWR); os.write(tty, b'Name: ');"
            " print('got', os.read(tty, 99).decode()); os.close(tty)",
            "Name: ",
        ),
    ],
)
def test_nothing_is_drawn_over_a_question_of_anybody(
    write: Any, mlx_process: list[str], body: str, prompt: str
) -> None:
    argv = with_step(write, mlx_process, body)
    with on_terminal(argv, PYTHONIOENCODING="utf-8") as terminal:
        terminal.wait_for(prompt)
        while terminal.read(0.5):  # what moved is taken away
            pass
        screen = terminal.screen()
        assert screen.text[-1] == prompt.rstrip()
        assert (screen.row, screen.column) == (len(screen.text) - 1, len(prompt))
        terminal.send("xyz")
        assert not [True for _ in range(5) if terminal.read(0.2) and "xyz" not in terminal.output]
        terminal.send("\r")
        assert terminal.wait() == 0
        text = terminal.screen().text
        assert [line.rstrip("xyz").rstrip() for line in text if line.startswith(prompt.rstrip())] == [
            prompt.rstrip()
        ]
        assert "got xyz" in text
        assert any(line.startswith("✔ step load done") for line in text)


@pytest.mark.parametrize(
    "body",
    [
        'subprocess.run(["printf", "IMPORTANT-NO-NEWLINE"]); time.sleep(0.5)',
        'subprocess.run(["printf", "IMPORTANT-NO-NEWLINE"])',
        'Path("/dev/tty").write_text("IMPORTANT-NO-NEWLINE"); time.sleep(0.5)',
        'os.write(2, b"IMPORTANT-NO-NEWLINE"); time.sleep(0.5); print("more")',
        'subprocess.run(["printf", "%s\\n%s", "x" * 80, "IMPORTANT-NO-NEWLINE"]); time.sleep(0.5)',
        'os.write(1, b"I"); time.sleep(0.5)',
    ],
)
def test_an_unfinished_line_of_anybody_is_left_where_it_is(
    write: Any, mlx_process: list[str], body: str
) -> None:
    with on_terminal(with_step(write, mlx_process, body), PYTHONIOENCODING="utf-8") as terminal:
        assert terminal.wait() == 0
        text = terminal.screen().text
        wanted = "I" if 'b"I"' in body else "IMPORTANT-NO-NEWLINE"
        assert wanted in text
        assert text[text.index(wanted) + ("more" in text) + 1].startswith("✔ step load done")
        assert len(text) == 6 + ("more" in text) + ("x" * 80 in text)
        assert not MOVING.search("\n".join(text))


@pytest.mark.parametrize(
    "body",
    [
        'subprocess.run(["sh", "-c", "until [ -e end ]; do sleep 0.1; done"], capture_output=True)',
        "child = os.fork() or [time.sleep(0.1) for _ in iter(lambda: Path('end').exists(), True)] and os._exit(0);"
        " os.waitpid(child, 0)",
    ],
)
def test_a_child_that_says_nothing_and_a_worker_do_not_keep_the_view_from_moving(
    write: Any, mlx_process: list[str], body: str
) -> None:
    with on_terminal(with_step(write, mlx_process, body), PYTHONIOENCODING="utf-8") as terminal:
        terminal.wait_for(lambda text: "step load 1.5s" in text or "step load 1.4s" in text)
        go("end")
        assert terminal.wait() == 0


def test_many_lines_fold_at_the_height_of_the_terminal_and_long_ones_at_its_width() -> None:
    from mlxkit.commands.live_screen import _folded, cut

    lines = [f"step {number}" for number in range(10)]
    assert _folded(lines, 4) == ["... 7 more", "step 7", "step 8", "step 9"]
    assert _folded(lines, 10) == lines
    assert _folded(lines, 2) == ["step 9"]
    assert cut("\x1b[31mabcdef\x1b[0m", 3) == "\x1b[31mabc\x1b[0m"
    assert cut("日本語", 5) == "日本"


def test_another_size_is_taken_up(argv: list[str]) -> None:
    with on_terminal(argv, columns=80, PYTHONIOENCODING="utf-8") as terminal:
        terminal.wait_for(lambda text: MOVING.search(text) is not None)
        terminal.resize(6, 12)
        before = len(terminal.output)
        terminal.wait_for(lambda text: "0 steps don\r" in text[before:] or "0 steps don\x1b" in text[before:])
        terminal.resize(24, 80)
        before = len(terminal.output)
        terminal.wait_for(lambda text: "0 steps done" in text[before:])
        go("end-load", "go-load", "end-train")
        assert terminal.wait() == 0


def test_ctrl_c_leaves_the_terminal_sane(argv: list[str]) -> None:
    with on_terminal(argv, PYTHONIOENCODING="utf-8") as terminal:
        terminal.wait_for(lambda text: MOVING.search(text) is not None)
        terminal.send("\x03")
        assert terminal.wait() == 130
        screen = terminal.screen()
        assert any(line.startswith("✘ step load killed") for line in screen.text)
        assert not MOVING.search("\n".join(screen.text))
        assert screen.text[-1] == ""
        assert screen.is_cursor_shown
        assert terminal.is_as_before()


def test_what_a_step_prints_goes_to_a_file_while_the_view_stays_on_the_terminal(argv: list[str]) -> None:
    with Path("out.txt").open("wb") as out:
        with on_terminal(argv, redirected={1: out.fileno()}, PYTHONIOENCODING="utf-8") as terminal:
            terminal.wait_for(lambda text: MOVING.search(text) is not None)
            go("end-load", "go-load", "end-train")
            assert terminal.wait() == 0
            assert terminal.screen().text[1] == "second line"
    assert Path("out.txt").read_text() == "first line\n"


@pytest.mark.parametrize(
    ("words", "environment"),
    [
        (["--no-progress"], {}),
        ([], {"MLX_PROGRESS": "0"}),
        ([], {"CI": "true"}),
        ([], {"TERM": "dumb"}),
    ],
)
def test_elsewhere_it_is_a_line_an_event(
    argv: list[str], words: list[str], environment: dict[str, str]
) -> None:
    go("end-load", "go-load", "end-train")
    with on_terminal([*argv, *words], **environment) as terminal:
        assert terminal.wait() == 0
        assert "step load started" in terminal.output
        assert "\x1b" not in terminal.output


def test_quiet_says_nothing(argv: list[str]) -> None:
    go("end-load", "go-load", "end-train")
    with on_terminal([*argv[:-2], "--quiet", *argv[-2:]]) as terminal:
        assert terminal.wait() == 0
        assert terminal.output.split("\r\n") == ["first line", "second line", ""]


def test_a_terminal_that_goes_away_does_not_end_the_run(argv: list[str]) -> None:
    with on_terminal(["setsid", "--wait", *argv]) as terminal:
        terminal.wait_for(lambda text: MOVING.search(text) is not None)
        os.kill(terminal.process.pid, signal.SIGCONT)
        go("end-load", "go-load", "end-train")
        assert terminal.wait() == 0


def test_the_screen_of_these_tests_does_as_terminals_do() -> None:
    screen = Screen(3, 10)
    screen.feed("one\r\ntwo\r\nthree\r\nfour\x1b[1A\rX\x1b[J")
    assert screen.text == ["one", "two", "X"]
    screen.feed("\r0123456789ab")
    assert screen.text[2:] == ["0123456789", "ab"]
