"""`mlx artifact` as people type it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlxkit.errors import ExitCode
from tests.fixtures.terminals import on_terminal

PIPELINE = """
    from mlxkit import pipeline, step

    class Model:
        def __init__(self, weight: int) -> None:
            self.weight = weight

    @step
    def load(rows: int) -> list:
        return list(range(rows))

    @step
    def describe(rows: list, author: str = "me") -> str:
        return "\\n".join(f"row {row}" for row in rows)

    @step
    def fit(rows: list) -> Model:
        return Model(len(rows))

    @step
    def count(rows: list) -> int:
        return 3

    @pipeline
    def train(rows: int = 3) -> None:
        data = load(rows)
        describe(data)
        fit(data)
        count([data, data])
"""


@pytest.fixture
def runs(write: Any, mlx: Any) -> tuple[str, str]:
    """Two runs with different data; returns their ids, the older one first."""
    write("p.py", PIPELINE)
    for rows in ("3", "4"):
        assert mlx("run", "p.py", "--rows", rows).code == ExitCode.ok
    listed = json.loads(mlx("runs", "list", "-o", "json").stdout)
    return listed[1]["id"], listed[0]["id"]


def shown(mlx: Any, *argv: str) -> dict[str, Any]:
    result = mlx(*argv, "-o", "json")
    assert result.code in (ExitCode.ok, ExitCode.failed), result.stderr
    return dict(json.loads(result.stdout))


def test_describe_says_where_it_came_from_and_who_used_it(runs: tuple[str, str], mlx: Any) -> None:
    told = shown(mlx, "artifact", "describe", "load::output")
    assert told["name"] == "train::load::output"
    assert (told["run"], told["step"], told["type"], told["materializer"]) == (
        runs[1],
        "load",
        "list",
        "json",
    )
    assert told["is_there"] is True
    assert [(use["step"], use["as_input"]) for use in told["used_by"]] == [
        ("describe", ["rows"]), ("fit", ["rows"]), ("count", ["rows[0]", "rows[1]"]),
    ]  # fmt: skip
    assert told["preview"]["kind"] == "value"
    assert told["preview"]["facts"] == {"length": 4}


def test_describe_of_a_cached_artifact_names_the_run_that_made_it(runs: tuple[str, str], mlx: Any) -> None:
    assert mlx("run", "p.py", "--rows", "3").code == ExitCode.ok
    told = shown(mlx, "artifact", "describe", "latest:load::output")
    assert told["run"] == runs[0]
    assert len({use["run"] for use in told["used_by"]}) == 2


def test_describe_for_people_ends_with_a_first_look(runs: tuple[str, str], mlx: Any) -> None:
    text = mlx("artifact", "describe", "describe::output", "--rows", "2").stdout
    head, _, look = text.partition("\n\n")
    assert "where\tin the run history" in head
    assert "preview" not in head
    assert look.splitlines() == ["text: lines 4, characters 23", "  row 0", "  row 1", "  (2 more lines)"]


def test_describe_of_a_pickle_does_not_open_it_unless_told(runs: tuple[str, str], mlx: Any) -> None:
    assert shown(mlx, "artifact", "describe", "fit::output")["preview"]["kind"] == "closed"
    assert "--unpickle" in mlx("artifact", "describe", "fit::output").stdout


def test_describe_of_what_is_gone_still_tells_the_rest(runs: tuple[str, str], mlx: Any) -> None:
    told = shown(mlx, "artifact", "describe", "fit::output")
    Path(told["where"]).unlink()
    opened = mlx("artifact", "describe", "fit::output", "--unpickle", "-o", "json")
    gone = json.loads(opened.stdout)
    assert (gone["is_there"], gone["preview"]["kind"]) == (False, "unreadable")
    closed = mlx("artifact", "describe", "fit::output")
    assert re.search(r"where\t.* \(gone\)", closed.stdout)
    assert opened.code == closed.code == ExitCode.not_found
    assert "is not in the artifact store" in opened.stderr
    assert "is gone" in closed.stderr


def test_describe_of_what_cannot_be_read_says_so_by_its_exit_status(
    write: Any, mlx: Any, mlx_process: list[str]
) -> None:
    shapes = write("shapes.py", "class Box:\n    pass\n")
    write(
        "p.py",
        """
        from typing import Any
        from mlxkit import pipeline, step
        from shapes import Box

        @step
        def make() -> Any:
            return Box()

        @pipeline
        def train() -> None:
            make()
        """,
    )
    subprocess.run([*mlx_process, "-q", "run", "p.py"], check=True, timeout=60)
    shapes.unlink()
    unread = mlx("artifact", "describe", "make::output", "--unpickle")
    assert unread.code == ExitCode.failed
    assert "unreadable" in unread.stdout
    assert "needs a library: No module named 'shapes'" in unread.stderr


def test_get_of_a_pickle_runs_nothing_unless_told(write: Any, mlx: Any) -> None:
    write(
        "p.py",
        """
        import os
        from typing import Any
        from mlxkit import pipeline, step

        class Trap:
            def __reduce__(self):
                return (os.system, ("echo > sprung",))

        @step
        def pick() -> Any:
            return Trap()

        @pipeline
        def train() -> None:
            pick()
        """,
    )
    assert mlx("run", "p.py").code == ExitCode.ok
    refused = mlx("artifact", "get", "pick::output")
    assert (refused.code, refused.stdout) == (ExitCode.failed, "")
    assert "would run code" in refused.stderr
    assert "--unpickle" in refused.stderr
    assert mlx("artifact", "get", "pick::output", "--path", "copy").code == ExitCode.ok
    assert not Path("sprung").exists()
    assert mlx("artifact", "get", "pick::output", "--unpickle").stdout == "0\n"
    assert Path("sprung").exists()


def test_artifacts_of_another_stack_are_found_in_its_store(runs: tuple[str, str], mlx: Any) -> None:
    assert (
        mlx("artifact-store", "register", "lake", "--flavor", "local", "--path", "lake").code == ExitCode.ok
    )
    assert mlx("stack", "register", "other", "-a", "lake", "--set").code == ExitCode.ok
    told = shown(mlx, "artifact", "describe", "fit::output", "--unpickle")
    assert (told["is_there"], told["preview"]["kind"]) == (True, "object")
    assert mlx("artifact", "get", "fit::output", "--path", "old").code == ExitCode.ok
    assert mlx("run", "p.py", "--rows", "5").code == ExitCode.ok
    assert ".mlx" not in shown(mlx, "artifact", "describe", "fit::output")["where"]
    across = mlx("artifact", "diff", f"{runs[0]}:fit::output", "latest:fit::output", "--unpickle")
    assert (across.code, across.stderr) == (ExitCode.failed, "")
    assert "cannot be compared" in across.stdout
    assert mlx("stack", "set", "plain").code == ExitCode.ok
    assert mlx("artifact", "get", "latest:fit::output", "--path", "new").code == ExitCode.ok
    assert Path("old").read_bytes() != Path("new").read_bytes()
    from mlxkit import Client

    assert Client().get_artifact("fit::output", run="latest").load().weight == 5
    assert Client().get_pipeline_run("latest").steps["fit"].output.load().weight == 5


def test_artifacts_are_found_after_their_stack_was_renamed(runs: tuple[str, str], mlx: Any) -> None:
    assert (
        mlx("artifact-store", "register", "lake", "--flavor", "local", "--path", "lake").code == ExitCode.ok
    )
    assert mlx("stack", "register", "first", "-a", "lake", "--set").code == ExitCode.ok
    assert mlx("run", "p.py", "--rows", "5").code == ExitCode.ok
    assert mlx("stack", "set", "plain").code == ExitCode.ok
    assert mlx("stack", "rename", "first", "second").code == ExitCode.ok
    assert mlx("artifact", "get", "latest:fit::output", "--path", "new").code == ExitCode.ok
    assert mlx("stack", "delete", "second", "--yes").code == ExitCode.ok
    gone = mlx("artifact", "get", "latest:fit::output", "--path", "newer")
    assert gone.code == ExitCode.not_found


def test_words_that_steer_a_terminal_are_written_out(write: Any, mlx: Any) -> None:
    write(
        "p.py",
        """
        from mlxkit import pipeline, step

        @step
        def say() -> str:
            return "red \\x1b[31m" + chr(0x202e)

        @pipeline
        def train() -> None:
            say()
        """,
    )
    assert mlx("run", "p.py").code == ExitCode.ok
    text = mlx("artifact", "describe", "say::output").stdout
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "red \\x1b[31m\\u202e" in text


def test_list_is_filtered_by_step_and_type(runs: tuple[str, str], mlx: Any) -> None:
    def names(*argv: str) -> list[str]:
        return [item["name"] for item in json.loads(mlx("artifact", "list", *argv, "-o", "json").stdout)]

    assert names("--step", "load") == ["train::load::output"] * 2
    assert names("--type", "str", "--run", runs[0]) == ["train::describe::output"]
    assert names("--type", "Model") == ["train::fit::output"] * 2
    assert names("--type", "odel") == []


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--step", "laod"], "no artifact of step 'laod' (did you mean 'load'?)"),
        (["--pipeline", "trian"], "no artifact of pipeline 'trian' (did you mean 'train'?)"),
        (["--type", "Modle"], "no artifact of type 'Modle' (did you mean 'Model'?)"),
        (["--step", "load", "--type", "str"], "no artifact fits"),
    ],
)
def test_list_says_what_fits_nothing(runs: tuple[str, str], mlx: Any, argv: list[str], says: str) -> None:
    found = mlx("artifact", "list", *argv)
    assert (found.code, found.stdout, found.stderr) == (ExitCode.ok, "", f"{says}\n")
    assert mlx("artifact", "list", *argv, "-o", "json").stdout == "[]\n"


def test_list_before_anything_was_made(write: Any, mlx: Any) -> None:
    assert mlx("artifact", "list", "--step", "load").stderr == "no artifacts yet\n"


def test_diff_shows_types_and_quotes_keys(write: Any, mlx: Any) -> None:
    write(
        "p.py",
        """
        from mlxkit import pipeline, step

        @step
        def one() -> dict:
            return {"a": 1, "b": [1, 2], "c.d": 1}

        @step
        def two() -> dict:
            return {"a": True, "b": (1, 2), "c.d": 2}

        @pipeline
        def train() -> None:
            one()
            two()
        """,
    )
    assert mlx("run", "p.py").code == ExitCode.ok
    told = mlx("artifact", "diff", "one::output", "two::output")
    assert told.code == ExitCode.failed
    assert told.stdout.splitlines()[3:] == [
        "  a: 1 (int) -> yes (bool)",
        "  b: [1, 2] (list) -> [1, 2] (tuple)",
        '  "c.d": 1 -> 2',
    ]


def test_get_takes_the_run_in_front_of_the_name(runs: tuple[str, str], mlx: Any) -> None:
    assert mlx("artifact", "get", f"{runs[0]}:load::output").stdout == "[0, 1, 2]\n"
    assert mlx("artifact", "get", "load::output").stdout == "[0, 1, 2, 3]\n"
    assert mlx("artifact", "get", f"{runs[0]}:describe::output", "--path", "text").code == ExitCode.ok
    assert Path("text").read_text() == "row 0\nrow 1\nrow 2"


def test_a_terminal_gets_the_colours_of_a_text_and_a_pipe_gets_all_of_it(
    write: Any, mlx: Any, mlx_process: list[str]
) -> None:
    write(
        "p.py",
        """
        from mlxkit import pipeline, step

        STEERING = "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x1b[0m\\n"

        @step
        def say() -> str:
            print(STEERING, end="")
            return STEERING

        @pipeline
        def train() -> None:
            say()
        """,
    )
    assert mlx("-q", "run", "p.py").code == ExitCode.ok
    whole = "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x1b[0m\n"
    for argv in (["artifact", "get", "say::output"], ["-q", "runs", "logs", "latest", "say"]):
        assert mlx(*argv).stdout.startswith(whole)
        with on_terminal([*mlx_process, *argv]) as screen:
            assert screen.wait() == 0
            assert "\x1b[31mred\x1b[0m" in screen.output
            assert "owned" not in screen.output
            assert "\x1b[2J" not in screen.output


def test_diff_of_one_artifact_in_two_runs(runs: tuple[str, str], mlx: Any) -> None:
    result = mlx("artifact", "diff", "load::output", "--run", runs[0], "--run", runs[1])
    assert result.code == ExitCode.failed
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"--- train::load::output  run {runs[0]}  list")
    assert lines[1].startswith(f"+++ train::load::output  run {runs[1]}  list")
    assert lines[2:] == ["differences: 1", "+ [3]: 3"]
    named = mlx("artifact", "diff", f"{runs[0]}:load::output", f"{runs[1]}:load::output")
    assert (named.code, named.stdout) == (result.code, result.stdout)


def test_diff_of_equal_artifacts_ends_well(runs: tuple[str, str], mlx: Any) -> None:
    result = mlx("artifact", "diff", "count::output", "--run", runs[0], "--run", runs[1])
    assert result.code == ExitCode.ok
    assert "the same content" in result.stdout


def test_diff_as_json_has_both_sides_and_the_changes(runs: tuple[str, str], mlx: Any) -> None:
    told = shown(mlx, "artifact", "diff", "describe::output", "--run", runs[0], "--run", runs[1])
    assert [*told] == [
        "schema_version",
        "before",
        "after",
        "kind",
        "is_equal",
        "facts",
        "changes",
        "lines",
        "note",
    ]
    assert (told["kind"], told["is_equal"], told["before"]["run"]) == ("text", False, runs[0])
    assert "+row 3" in told["lines"]


def test_diff_of_pickles_says_what_it_does_not_know(runs: tuple[str, str], mlx: Any) -> None:
    result = mlx("artifact", "diff", "fit::output", "--run", runs[0], "--run", runs[1])
    assert result.code == ExitCode.failed
    assert "--unpickle" in result.stdout


@pytest.mark.parametrize(
    ("argv", "code", "says"),
    [
        (["load::output"], ExitCode.usage, "needs two runs"),
        (["load::output", "--run", "latest"], ExitCode.usage, "needs two runs"),
        (["load::output", "fit::output", "--run", "a", "--run", "b"], ExitCode.usage, "RUN:step::output"),
        (["load::output", "laod::output"], ExitCode.not_found, "no artifact 'laod::output'"),
        (["nowhere:load::output", "load::output"], ExitCode.not_found, "no run 'nowhere'"),
        (["load::output", "describe::output", "--key", "id"], ExitCode.usage, "--key is for tables"),
    ],
)
def test_diff_of_what_cannot_be_compared(
    runs: tuple[str, str], mlx: Any, argv: list[str], code: ExitCode, says: str
) -> None:
    result = mlx("artifact", "diff", *argv)
    assert result.code == code
    assert says in result.stderr


def test_plain_values_are_looked_at_without_heavy_libraries(runs: tuple[str, str], mlx: Any) -> None:
    code = (
        "import sys; from mlxkit.commands.app import main\n"
        "main(['artifact', 'describe', 'load::output'])\n"
        f"main(['artifact', 'diff', 'load::output', '--run', '{runs[0]}', '--run', '{runs[1]}'])\n"
        "print([m for m in ('numpy', 'pandas', 'pyarrow', 'PIL', 'mlflow', 'cloudpickle', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_a_picture_is_drawn_in_half_blocks_where_there_is_colour(
    write: Any, mlx: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("PIL.Image")
    write(
        "p.py",
        """
        from io import BytesIO
        from PIL import Image
        from mlxkit import pipeline, step

        @step
        def draw() -> bytes:
            content = BytesIO()
            Image.new("RGB", (20, 10), (1, 2, 3)).save(content, "PNG")
            return content.getvalue()

        @pipeline
        def train() -> None:
            draw()
        """,
    )
    assert mlx("run", "p.py").code == ExitCode.ok
    assert "picture: format PNG, width 20, height 10" in mlx("artifact", "describe", "draw::output").stdout
    assert "▀" not in mlx("artifact", "describe", "draw::output").stdout
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("FORCE_COLOR", "1")
    coloured = mlx("artifact", "describe", "draw::output").stdout
    assert coloured.count("\x1b[38;2;1;2;3;48;2;1;2;3m▀") == 20 * 5
