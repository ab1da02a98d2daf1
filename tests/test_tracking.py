"""Pipelines and MLflow together, by real processes: what other tools get wrong cannot happen here."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

HEAD = """
import os, sys, time
from pathlib import Path
import mlflow
from mlxkit import Client, get_step_context, pipeline, step
"""


@pytest.fixture
def local(home: Path) -> Path:
    """A project whose stack has a local MLflow tracker."""
    Path("mlx.yaml").write_text(
        "version: 1\nexperiment_trackers:\n  t: {flavor: mlflow}\nstacks:\n  s: {experiment_tracker: t}\n"
    )
    return Path.cwd()


def run(text: str, *options: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
    Path("p.py").write_text(HEAD + textwrap.dedent(text))
    argv = [sys.executable, "-m", "mlxkit", "run", "p.py", *options]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == expect, done.stderr
    return done


def rows(query: str) -> list[Any]:
    with sqlite3.connect(Path(".mlx/mlflow/mlflow.db")) as db:
        return db.execute(query).fetchall()


def described() -> dict[str, Any]:
    argv = [sys.executable, "-m", "mlxkit", "runs", "describe", "-o", "json"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def step_of(run: dict[str, Any], name: str) -> dict[str, Any]:
    return next(item for item in run["steps"] if item["name"] == name)


def test_a_retry_with_another_param_value_goes_on_and_both_values_are_kept(local: Path) -> None:
    run(
        """
        @step(experiment_tracker=True, retries=2)
        def train() -> int:
            attempt = get_step_context().attempt
            mlflow.log_param("attempt", attempt)
            if attempt < 3:
                raise RuntimeError("again")
            return attempt

        @pipeline
        def p() -> None:
            train()
        """
    )
    assert sorted(value for _, value in rows("SELECT key, value FROM params WHERE key LIKE '%attempt%'")) == [
        "1",
        "2",
        "3",
    ]
    assert {status for (status,) in rows("SELECT status FROM runs")} == {"FINISHED"}


def test_two_steps_may_log_the_same_param_with_other_values(local: Path) -> None:
    run(
        """
        @step(experiment_tracker=True)
        def work(seed: int) -> int:
            mlflow.log_param("seed", seed)
            mlflow.log_params({"size": seed * 10})
            return seed

        @pipeline
        def p() -> None:
            work(1)
            work(2)
        """
    )
    logged = dict(rows("SELECT key, value FROM params"))
    assert (logged["seed"], logged["size"]) == ("1", "10")
    assert {"2", "20"} <= set(logged.values())
    assert rows("SELECT status FROM runs") == [("FINISHED",)]


def test_after_a_tracked_step_the_world_is_as_before(local: Path) -> None:
    done = run(
        """
        def watched() -> dict:
            return {key: value for key, value in os.environ.items() if key.startswith(("MLFLOW", "DATABRICKS", "MLX_"))}

        before, uri = watched(), mlflow.get_tracking_uri()

        @step(experiment_tracker=True)
        def tracked() -> int:
            from sklearn.linear_model import LinearRegression
            mlflow.sklearn.autolog()
            assert mlflow.active_run() is not None
            LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
            return 1

        @step(experiment_tracker=False)
        def untracked() -> int:
            from sklearn.linear_model import LinearRegression
            LinearRegression().fit([[0.0], [2.0]], [0.0, 1.0])
            return 2

        @pipeline
        def p() -> None:
            tracked()
            print("same environment", watched() == before, "same uri", mlflow.get_tracking_uri() == uri)
            print("active", mlflow.active_run())
            untracked()

        p()
        mlflow.set_tracking_uri("sqlite:///outside.db")
        mlflow.log_metric("outside", 1)
        print("logged outside")
        """
    )
    assert "same environment True same uri True" in done.stdout
    assert "active None" in done.stdout
    assert "logged outside" in done.stdout
    assert len(rows("SELECT run_uuid FROM runs")) == 1
    with sqlite3.connect("outside.db") as db:
        assert db.execute("SELECT key FROM metrics").fetchall() == [("outside",)]


def test_a_cached_training_step_leads_to_the_run_that_logged_it(local: Path) -> None:
    text = """
        @step(experiment_tracker=True)
        def train() -> int:
            mlflow.log_metric("accuracy", 0.9)
            return 1

        @pipeline
        def p() -> None:
            train()
        """
    run(text)
    first = described()
    run(text)
    second = described()
    source = step_of(first, "train")["metadata"]["mlflow_run_id"]
    cached = step_of(second, "train")
    assert cached["status"] == "cached"
    assert cached["metadata"]["mlflow_source_run_id"] == source
    mine = cached["metadata"]["mlflow_run_id"]
    assert mine != source
    assert rows(f"SELECT value FROM tags WHERE run_uuid = '{mine}' AND key = 'mlx.cached.train'") == [
        (source,)
    ]
    assert {status for (status,) in rows("SELECT status FROM runs")} == {"FINISHED"}


FAILURES = {
    "an untracked step that fails after a tracked one": "raise ValueError('late')",
    "an output of the wrong type": "return 'text'",
    "an output that cannot be stored": "return (item for item in [1])",
    "sys.exit": "sys.exit(0)",
}


def test_mlflow_says_failed_where_the_pipeline_failed(local: Path) -> None:
    cases = [(body, tracked) for body in FAILURES.values() for tracked in (True, False)]
    for number, (body, tracked) in enumerate(cases):
        annotation = "int" if "text" in body else "object"
        text = f"""
        @step(experiment_tracker=True)
        def first() -> int:
            mlflow.log_metric("m", 1)
            return 1

        @step(experiment_tracker={tracked}, settings={{"experiment_tracker": {{"nested": True}}}})
        def second(x: int) -> {annotation}:
            {body}

        @pipeline
        def p{number}() -> None:
            second(first())
        """
        Path(f"p{number}.py").write_text(HEAD + textwrap.dedent(text))
    # One process for all: importing MLflow takes longer than any of them.
    program = "import sys; from mlxkit.commands.app import main; print([main(['run', name]) for name in sys.argv[1:]])"
    files = [f"p{number}.py" for number in range(len(cases))]
    done = subprocess.run([sys.executable, "-c", program, *files], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == str([6] * len(cases)), done.stderr
    found = dict[str, list[str]]()
    for name, status in rows(
        "SELECT experiments.name, status FROM runs JOIN experiments USING (experiment_id)"
    ):
        found.setdefault(name, []).append(status)
    assert found == {
        f"p{number}": ["FAILED"] * (2 if tracked else 1) for number, (_, tracked) in enumerate(cases)
    }


def test_a_step_that_only_touches_mlflow_is_tracked_too_and_one_that_does_not_opens_nothing(
    local: Path,
) -> None:
    run(
        """
        @step
        def quiet() -> int:
            return 1

        @step
        def touches(x: int) -> int:
            mlflow.log_metric("touched", 1)
            return 2

        @pipeline
        def loud() -> None:
            touches(quiet())

        @pipeline
        def silent() -> None:
            quiet()

        loud()
        silent()
        """
    )
    assert rows("SELECT key FROM metrics") == [("touched",)]
    assert rows("SELECT name FROM experiments WHERE name = 'silent'") == []
    assert (
        Path(".mlx/mlflow/mlflow.db").exists()
        and not Path("mlflow.db").exists()
        and not Path("mlruns").exists()
    )


def test_a_plain_script_is_one_tracked_run_with_its_own_start_run(local: Path) -> None:
    Path("s.py").write_text("import mlflow\nwith mlflow.start_run():\n    mlflow.log_metric('m', 2)\n")
    subprocess.run(
        [sys.executable, "-m", "mlxkit", "run", "s.py"], capture_output=True, text=True, check=True
    )
    assert rows("SELECT status FROM runs") == [("FINISHED",)]
    assert rows("SELECT key FROM metrics") == [("m",)]
    assert described()["kind"] == "script"
    Path("s.py").write_text("import sys, mlflow\nmlflow.log_metric('m', 2)\nsys.exit(3)\n")
    done = subprocess.run(
        [sys.executable, "-m", "mlxkit", "run", "s.py"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert sorted(status for (status,) in rows("SELECT status FROM runs")) == ["FAILED", "FINISHED"]


SLOW = """
@step(experiment_tracker=True)
def slow() -> int:
    mlflow.log_metric("m", 1)
    Path("started").touch()
    time.sleep(120)
    return 1

@pipeline
def p() -> None:
    slow()
"""


def started() -> subprocess.Popen[str]:
    Path("p.py").write_text(HEAD + SLOW)
    argv = [sys.executable, "-m", "mlxkit", "run", "p.py"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not Path("started").exists():
        assert time.monotonic() < deadline and process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_whatever_ends_a_run_mlflow_hears_of_it(local: Path, number: int) -> None:
    process = started()
    assert rows("SELECT status FROM runs") == [("RUNNING",)]
    process.send_signal(number)
    process.communicate(timeout=30)
    if number == signal.SIGKILL:
        assert rows("SELECT status FROM runs") == [("RUNNING",)]
        listed = subprocess.run(
            [sys.executable, "-m", "mlxkit", "runs", "list"], capture_output=True, text=True, check=True
        )
        assert "interrupted" in listed.stdout
    assert rows("SELECT status FROM runs") == [("KILLED",)]


def test_kill_9_on_a_server_is_closed_by_the_next_command(
    home: Path, mlflow_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLX_SECRET_S__USERNAME", mlflow_server.username)
    monkeypatch.setenv("MLX_SECRET_S__PASSWORD", mlflow_server.password)
    Path("mlx.yaml").write_text(
        f"version: 1\nexperiment_trackers:\n  t:\n    flavor: mlflow\n    tracking_uri: {mlflow_server.uri}\n"
        "    tracking_username: <<s.username>>\n    tracking_password: <<s.password>>\n    experiment_name: killed-on-a-server\n"
        "stacks:\n  s: {experiment_tracker: t}\n"
    )
    process = started()
    process.kill()
    process.communicate()
    states = [item["info"]["status"] for item in mlflow_server.admin.runs("killed-on-a-server")]
    assert states == ["RUNNING"]
    done = subprocess.run(
        [sys.executable, "-m", "mlxkit", "runs", "list"],
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ),
    )
    assert "interrupted" in done.stdout
    states = [item["info"]["status"] for item in mlflow_server.admin.runs("killed-on-a-server")]
    assert states == ["KILLED"]


def test_a_dead_server_is_found_before_the_first_step_and_leaves_nothing_behind(home: Path) -> None:
    Path("mlx.yaml").write_text(
        "version: 1\nexperiment_trackers:\n  t: {flavor: mlflow, tracking_uri: 'http://127.0.0.1:9'}\nstacks:\n  s: {experiment_tracker: t}\n"
    )
    began = time.monotonic()
    done = run(
        """
        @step
        def one() -> int:
            Path("ran").touch()
            return 1

        @pipeline
        def p() -> None:
            one()
        """,
        expect=1,
    )
    assert time.monotonic() - began < 30  # MLflow itself would try for four minutes
    assert "127.0.0.1:9" in done.stderr
    assert not Path("ran").exists()
    listed = subprocess.run(
        [sys.executable, "-m", "mlxkit", "runs", "list", "-o", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert listed.stdout == "[]\n"


def test_the_tracker_option_tracks_every_step_on_that_tracker(local: Path) -> None:
    Path("mlx.yaml").write_text(
        "version: 1\nexperiment_trackers:\n  t: {flavor: mlflow}\n  other: {flavor: mlflow, experiment_name: chosen}\n"
        "stacks:\n  s: {experiment_tracker: t}\n"
    )
    run(
        """
        @step
        def one() -> bool:
            return mlflow.active_run() is not None

        @pipeline
        def p() -> None:
            print("tracked", one())
        """,
        "--tracker", "other",
    )  # fmt: skip
    assert rows("SELECT name FROM experiments WHERE name = 'chosen'") == [("chosen",)]
    assert step_of(described(), "one")["metadata"]["experiment_tracker"] == "other"


def test_a_tracker_that_does_not_exist_is_named_before_anything_runs(local: Path) -> None:
    text = """
        @step
        def one() -> int:
            return 1

        @pipeline
        def p() -> None:
            one()
        """
    done = run(text, "--tracker", "tt", expect=3)
    assert "'tt'" in done.stderr and "did you mean 't'" in done.stderr
    done = run(text.replace("@step", '@step(experiment_tracker="mlflw")'), expect=3)
    assert "'mlflw'" in done.stderr


def test_the_active_stack_is_never_reset_silently(local: Path, mlx: Any) -> None:
    assert mlx("stack", "register", "mine", "-e", "t", "--set").code == 0
    text = Path("mlx.yaml").read_text()
    Path("mlx.yaml").write_text("\n".join(line for line in text.splitlines() if "mine" not in line) + "\n")
    result = mlx("stack", "get")
    assert result.code != 0
    assert "mine" in result.stderr
    assert "mlx stack set" in result.stderr
