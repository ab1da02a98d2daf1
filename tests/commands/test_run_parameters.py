"""Parameters of `mlx run`, as they arrive in the body of the pipeline."""

from __future__ import annotations

from typing import Any

import pytest

from mlxkit import Client
from mlxkit.errors import ExitCode

TYPED = """
    import datetime
    from dataclasses import dataclass
    from enum import Enum
    from pathlib import Path
    from mlxkit import pipeline, step

    class Color(Enum):
        red = 1
        blue = 2

    @dataclass
    class Optimizer:
        name: str
        lr: float = 0.1

    @step
    def show(value: object) -> None:
        print(repr(value))

    @pipeline
    def p(
        e: Color = Color.blue, i: int = 0, path: Path = Path("."), sizes: tuple[int, ...] = (), lr: float = 0.0,
        day: datetime.date = datetime.date.min, opt: Optimizer = Optimizer("sgd"),
    ) -> None:
        show([e.name, i, path.as_posix(), sizes, lr, day.isoformat(), opt.name, opt.lr])
"""


def test_values_of_a_file_arrive_as_the_annotated_types(write: Any, mlx: Any) -> None:
    write("p.py", TYPED)
    write(
        "run.yaml",
        """
        parameters:
          e: red
          i: "7"
          path: /tmp
          sizes: [1, 2]
          lr: 1
          day: 2024-02-29
          opt: {name: adam, lr: "1e-3"}
        """,
    )
    result = mlx("run", "p.py", "--config", "run.yaml")
    assert result.code == ExitCode.ok, result.stderr
    assert result.stdout == "['red', 7, '/tmp', (1, 2), 1.0, '2024-02-29', 'adam', 0.001]\n"


def test_text_of_the_command_line_arrives_as_the_annotated_types(write: Any, mlx: Any) -> None:
    write("p.py", TYPED)
    result = mlx(
        "run", "p.py", "--e", "1", "-p", "i=7", "--sizes", "1,2", "--day=2024-02-29", "-p", 'opt={"name": "a"}'
    )  # fmt: skip
    assert result.code == ExitCode.ok, result.stderr
    assert result.stdout == "['red', 7, '.', (1, 2), 0.0, '2024-02-29', 'a', 0.1]\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("i: abc", "pipeline 'p': i: 'abc' is not an int"),
        ("e: gren", "pipeline 'p': e: 'gren' is not one of red, blue"),
        ("sizes: [1, b]", "pipeline 'p': sizes[1]: 'b' is not an int"),
        ("opt: {nmae: a}", "pipeline 'p': opt: Optimizer has no field 'nmae' (did you mean 'name'?)"),
        ("day: 2024-02-30", "pipeline 'p': day: '2024-02-30' is not a date"),
    ],
)
def test_a_value_of_a_file_that_does_not_fit_stops_the_run_before_it_begins(
    write: Any, mlx: Any, line: str, message: str
) -> None:
    write("p.py", TYPED)
    write("run.yaml", f"parameters:\n  {line}\n")
    result = mlx("run", "p.py", "--config", "run.yaml")
    assert result.code == ExitCode.usage
    assert message in result.stderr
    assert result.stdout == ""
    assert Client().runs.list() == []


def test_a_value_of_the_command_line_that_does_not_fit_is_a_usage_error(write: Any, mlx: Any) -> None:
    write("p.py", TYPED)
    result = mlx("run", "p.py", "--sizes", "1,b")
    assert result.code == ExitCode.usage
    assert "pipeline 'p': sizes[1]: 'b' is not an int" in result.stderr


def test_a_pipeline_that_takes_any_keyword_gets_those_of_every_source(write: Any, mlx: Any) -> None:
    write(
        "p.py",
        """
        from mlxkit import pipeline

        @pipeline
        def p(a: int = 1, **others: float) -> None:
            print(a, sorted(others.items()))
        """,
    )
    write("run.yaml", "parameters: {x: 1, y: 2}\n")
    result = mlx("run", "p.py", "--config", "run.yaml", "--y", "3")
    assert result.stdout == "1 [('x', 1.0), ('y', 3.0)]\n", result.stderr
    assert dict(Client().runs.list()[0].parameters) == {"a": 1, "x": 1.0, "y": 3.0}


def test_positional_only_parameters_and_leftovers_are_passed_as_they_are_taken(write: Any, mlx: Any) -> None:
    write(
        "p.py",
        """
        from mlxkit import pipeline

        @pipeline
        def p(a: int, /, b: int = 2, *rest: int, **others: int) -> None:
            print(a, b, rest, others)

        p(1, 2, 3, 4, z=5)
        """,
    )
    result = mlx("run", "p.py")
    assert result.stdout == "1 2 (3, 4) {'z': 5}\n", result.stderr
    assert mlx("run", "p.py", "--a", "9", "--rest", "7").stdout == "9 2 (7,) {'z': 5}\n"
    result = mlx("run", "p.py", "--dry-run")
    assert result.code == ExitCode.ok, result.stderr


STEP = """
    from mlxkit import pipeline, step

    @step
    def show(x: int, k: int = 1) -> None:
        print(x, k)

    @pipeline
    def p() -> None:
        show(1, 3)
"""


@pytest.mark.parametrize(
    ("steps", "printed"), [("show: {parameters: {k: 5}}", "1 5\n"), ('show: {parameters: {x: "7"}}', "7 3\n")]
)
def test_a_file_wins_over_what_a_step_is_called_with(write: Any, mlx: Any, steps: str, printed: str) -> None:
    write("p.py", STEP)
    write("run.yaml", f"steps: {{{steps}}}\n")
    result = mlx("run", "p.py", "--config", "run.yaml")
    assert result.stdout == printed, result.stderr
    assert "no step of this run is called so" not in result.stderr


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ("show: {parameters: {kk: 5}}", "step 'show' has no parameter 'kk'"),
        ("show: {parameters: {k: abc}}", "step 'show': k: 'abc' is not an int"),
    ],
)
def test_a_file_that_does_not_fit_a_step_is_a_usage_error(
    write: Any, mlx: Any, steps: str, message: str
) -> None:
    write("p.py", STEP)
    write("run.yaml", f"steps: {{{steps}}}\n")
    result = mlx("run", "p.py", "--config", "run.yaml")
    assert result.code == ExitCode.usage
    assert message in result.stderr


def test_a_step_of_a_file_that_no_step_is_called_is_told(write: Any, mlx: Any) -> None:
    write("p.py", STEP)
    write("run.yaml", "steps: {shwo: {parameters: {k: 5}}}\n")
    for option in [], ["--dry-run"]:
        result = mlx("run", "p.py", "--config", "run.yaml", *option)
        assert result.code == ExitCode.ok
        assert "steps.shwo: no step of this run is called so (did you mean 'show'?)" in result.stderr


def test_a_script_takes_no_parameters(write: Any, mlx: Any) -> None:
    write("s.py", "import sys\nprint(sys.argv[1:])\n")
    for words in ["-p", "lr=1"], ["--lr", "2", "-p", "lr=1"], ["--lr", "2", "--param", "x=1"]:
        result = mlx("run", "s.py", *words)
        assert (result.code, result.stdout) == (ExitCode.usage, "")
        assert "s.py is a plain script and takes no parameter" in result.stderr
    write("run.yaml", "parameters: {lr: 1}\n")
    assert mlx("run", "s.py", "--config", "run.yaml").code == ExitCode.usage
    assert mlx("run", "s.py", "--lr", "2").stdout == "['--lr', '2']\n"


def test_the_file_of_one_pipeline_cannot_choose_the_tracker(write: Any, mlx: Any) -> None:
    write("p.py", STEP + '\n    p.with_options(config_path="own.yaml")()\n')
    write("own.yaml", "tracker: team\n")
    result = mlx("run", "p.py")
    assert result.code == ExitCode.configuration
    assert "own.yaml: tracker: " in result.stderr
    assert "--tracker team" in result.stderr
