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
    gone = shown(mlx, "artifact", "describe", "fit::output", "--unpickle")
    assert gone["is_there"] is False
    assert gone["preview"]["kind"] == "unreadable"
    assert re.search(r"where\t.* \(gone\)", mlx("artifact", "describe", "fit::output").stdout)


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
    assert mlx("artifact", "list", "--type", "odel").stderr == "no artifacts yet\n"


def test_get_takes_the_run_in_front_of_the_name(runs: tuple[str, str], mlx: Any) -> None:
    assert mlx("artifact", "get", f"{runs[0]}:load::output").stdout == "[0, 1, 2]\n"
    assert mlx("artifact", "get", "load::output").stdout == "[0, 1, 2, 3]\n"
    assert mlx("artifact", "get", f"{runs[0]}:describe::output", "--path", "text").code == ExitCode.ok
    assert Path("text").read_text() == "row 0\nrow 1\nrow 2"


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
