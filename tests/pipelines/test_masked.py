"""Secrets in the words of a run: what becomes known as one is in no record, and changes no key."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlxkit.errors import ExitCode, MlxError
from mlxkit.pipelines.masked import masked, masked_words
from mlxkit.secrets.masking import register

SECRET = "Kp7-very-secret-word"

# `{top}` runs when the file is loaded, `{inside}` in a step.
FILE = """
from mlxkit import Client, pipeline, step
{top}

@step
def use(token: str, many: list) -> int:
    {inside}
    assert token == "Kp7-very-secret-" + "word", "a step gets what it was given"
    return len(token)

@step
def after(n: int, token: str = "") -> int:
    return n

@pipeline
def train(token: str = "") -> None:
    after(use(token, [token, {{"k": token}}, 3]), token)
"""
READ = "Client().secrets.value('db', 'password')"


@pytest.fixture
def run(
    write: Any, mlx_process: list[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the file in a process of its own, in which the secret can be had; no other process can."""

    def run_file(*argv: str, top: str = "", inside: str = "pass") -> subprocess.CompletedProcess[str]:
        write("f.py", FILE.format(top=top, inside=inside))
        return subprocess.run(
            [*mlx_process, "run", "f.py", *argv],
            env={**os.environ, "MLX_SECRET_DB__PASSWORD": SECRET},
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run_file


def everything(mlx: Any) -> str:
    """What this process, which knows no secret, is shown and finds."""
    shown = [
        mlx("runs", "describe", "latest", "-o", "json").stdout,
        mlx("runs", "list", "-o", "json").stdout,
        mlx("runs", "graph", "latest", "-o", "json").stdout,
    ]
    files = [path for path in Path(".mlx").rglob("*") if path.is_file() and "sources" not in path.parts]
    return "\n".join([*shown, *(path.read_bytes().decode("latin-1") for path in files)])


@pytest.mark.parametrize("place", ["top", "inside"])
def test_a_value_that_the_file_made_known_is_in_no_record(run: Any, mlx: Any, place: str) -> None:
    words = ("-p", f"token={SECRET}", "--tag", SECRET, "--tag", f"key={SECRET}", "--name", f"n-{SECRET}")
    done = run(*words, **{place: READ})
    assert done.returncode == 0, done.stderr
    assert SECRET not in everything(mlx)
    told = json.loads(mlx("runs", "describe", "latest", "-o", "json").stdout)
    assert told["parameters"] == {"token": "***"}
    assert sorted(told["tags"]) == ["***", "key=***"]
    assert told["name"] == "n-***"
    assert told["metadata"]["invocation"]["is_masked"] is True
    assert told["steps"][0]["parameters"] == {"token": "***", "many": ["***", {"k": "***"}, 3]}
    assert mlx("runs", "describe", "n-***").code == ExitCode.ok
    again = mlx("runs", "rerun", "latest")
    assert again.code == ExitCode.usage
    assert "was given a secret" in again.stderr


def test_a_history_that_cannot_be_written_again_does_not_cost_the_end_of_a_run(
    write: Any, mlx: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: Any) -> bool:
        raise MlxError("the run history cannot be written: database is locked")

    monkeypatch.setattr("mlxkit.pipelines.scope.reword", locked)
    monkeypatch.setenv("MLX_SECRET_DB__PASSWORD", SECRET)
    write("f.py", FILE.format(top="", inside=READ))
    done = mlx("-q", "run", "f.py", "-p", f"token={SECRET}")
    assert done.code == 0
    assert "warning: a secret stays in the run history: the run history cannot be written" in done.stderr
    assert json.loads(mlx("runs", "list", "-o", "json").stdout)[0]["status"] == "completed"


def test_a_failed_run_is_masked_as_well(run: Any, mlx: Any) -> None:
    done = run("-p", f"token={SECRET}", inside=f"{READ}; raise ValueError(token)")
    assert done.returncode == ExitCode.step_failed
    assert SECRET not in everything(mlx)


def test_masking_changes_no_cache_key(run: Any, mlx: Any) -> None:
    """The same value, known as a secret at different times, and not at all."""
    keys = set()
    for number in range(2):
        assert run("-p", f"token={SECRET}", inside=f"{READ}").returncode == 0
        told = json.loads(mlx("runs", "describe", "latest", "-o", "json").stdout)
        keys.add(tuple(step["cache_key"] for step in told["steps"]))
        assert [step["status"] for step in told["steps"]] == [["completed"] * 2, ["cached"] * 2][number]
    assert run("-p", f"token={SECRET}", top=READ, inside=READ).returncode == 0
    told = json.loads(mlx("runs", "describe", "latest", "-o", "json").stdout)
    assert [step["status"] for step in told["steps"]][1] == "cached"
    assert len(keys) == 1


def test_tags_that_others_gave_meanwhile_stay(run: Any, mlx: Any) -> None:
    inside = f"""import subprocess, sys
    subprocess.run([sys.executable, '-m', 'mlxkit', 'runs', 'tag', 'latest', 'kept'], check=True)
    {READ}"""
    assert run("-p", f"token={SECRET}", "--tag", SECRET, inside=inside).returncode == 0
    told = json.loads(mlx("runs", "describe", "latest", "-o", "json").stdout)
    assert sorted(told["tags"]) == ["***", "kept"]


def test_without_a_secret_nothing_is_changed(run: Any, mlx: Any) -> None:
    assert run("-p", "token=Kp7-very-secret-word").returncode == 0
    told = json.loads(mlx("runs", "describe", "latest", "-o", "json").stdout)
    assert told["parameters"] == {"token": SECRET}
    assert told["metadata"]["invocation"]["is_masked"] is False


TRACKED = """
from mlxkit import Client, pipeline, step
{top}

@step(experiment_tracker=True)
def use(token: str) -> int:
    {inside}
    return len(token)

@pipeline
def train(token: str = "") -> None:
    use(token)
"""


def test_a_tracker_is_not_given_it_and_when_it_was_that_is_said(
    project: Path, mlx_process: list[str], mlx: Any
) -> None:
    pytest.importorskip("mlflow")
    (project / "mlx.yaml").write_text(
        "version: 1\nexperiment_trackers:\n  t: {flavor: mlflow}\nstacks:\n  s: {experiment_tracker: t}\n"
    )
    env = {**os.environ, "MLX_SECRET_DB__PASSWORD": SECRET}
    argv = ["run", "--no-cache", "f.py", "-p", f"token={SECRET}", "--name", SECRET, "--tag", SECRET]

    def started(*more: str, **places: str) -> str:
        (project / "f.py").write_text(TRACKED.format(**{"top": "", "inside": "pass", **places}))
        return subprocess.run(
            [*mlx_process, *more, *argv], env=env, check=True, stderr=subprocess.PIPE, text=True, timeout=120
        ).stderr

    said = started(top=READ)
    assert "turned out" not in said
    assert SECRET not in everything(mlx)  # the tracker's database among it
    said = started(inside=READ)
    warning = (
        "warning: what was logged to t turned out to be a secret: parameter token, the run's name; delete"
    )
    assert warning in said
    said = started("--quiet", inside=READ)
    assert warning in said
    assert "step use" not in said
    told = json.loads(mlx("runs", "describe", "latest", "-o", "json").stdout)
    assert told["parameters"] == {"token": "***"}
    assert SECRET not in json.dumps(told)


def test_values_are_masked_at_any_depth() -> None:
    value = {
        "a": [1, (SECRET, 2.5)],
        "b": None,
        SECRET: b"x" + SECRET.encode(),
        "n": 12345678,
        "m": 123456789,
    }
    assert masked(value) is value
    register(SECRET)
    register("12345678")
    assert masked(value) == {
        "a": [1, ["***", 2.5]], "b": None, "***": "b'x***'", "n": "***", "m": 123456789,
    }  # fmt: skip
    assert masked_words({"a": "b"}) == {"a": "b", "is_masked": False}
    assert masked_words(masked_words({"a": SECRET})) == {"a": "***", "is_masked": True}
