"""Pipelines whose stack keeps artifacts in a bucket, as a person runs them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlxkit.artifacts.io import load
from mlxkit.client import Client
from mlxkit.config.paths import user_cache_dir
from mlxkit.runs.queries import RunQueries
from mlxkit.runs.records import StepRecord, artifact_of
from tests.conftest import Result
from tests.fixtures.s3_server import KEY, SECRET, Proxy, S3Server

from .conftest import Machines

Mlx = Callable[..., Result]

PIPELINE = """
import numpy as np
from mlxkit import pipeline, step

@step
def words() -> str:
    return "one two three " * 1000

@step
def numbers(text: str) -> np.ndarray:
    return np.arange(float(len(text)))

@step
def both(text: str, array: np.ndarray) -> dict:
    return {"mean": float(array.mean()), "array": array[:5], "text": text[:3]}

@pipeline
def main():
    text = words()
    both(text, numbers(text))
"""


def write_project(folder: Path, server_url: str, bucket: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "p.py").write_text(PIPELINE)
    (folder / "mlx.yaml").write_text(
        f"version: 1\nartifact_stores:\n  lake: {{flavor: s3, path: 's3://{bucket}/mlx', endpoint_url: '{server_url}'}}\n"
        "stacks:\n  team: {artifact_store: lake}\n"
    )


@pytest.fixture
def project(s3_server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)  # the library's own chain
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    write_project(Path.cwd(), s3_server.url, bucket)
    return Path.cwd()


def steps_of(mlx: Mlx) -> list[StepRecord]:
    """Return the steps of the newest run, in the order of the file."""
    newest = json.loads(mlx("runs", "list", "-o", "json").stdout)[0]["id"]
    return list(RunQueries(Client().history).steps(newest))


def run(mlx_process: list[str], *argv: str) -> str:
    done = subprocess.run([*mlx_process, *argv], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_a_pipeline_runs_is_cached_and_is_read_elsewhere(
    project: Path, mlx_process: list[str], mlx: Mlx, s3_server: S3Server, bucket: str, machine: Machines
) -> None:
    run(mlx_process, "run", "p.py")
    first = steps_of(mlx)
    stored = s3_server.keys(bucket)
    assert len([key for key in stored if key.startswith("mlx/") and "/entries/" not in key]) >= 3
    assert not (project / ".mlx" / "artifacts").exists()

    run(mlx_process, "run", "p.py")
    assert [step.status for step in steps_of(mlx)] == ["cached"] * 3

    elsewhere = machine("elsewhere")
    values = {step.name: load(artifact_of(step.outputs[0]), elsewhere) for step in first}
    assert values["words"] == "one two three " * 1000
    assert values["numbers"].shape == (14_000,)
    assert values["both"]["mean"] == 6999.5
    np.testing.assert_array_equal(values["both"]["array"], np.arange(5.0))

    shutil.rmtree(user_cache_dir())  # as on a machine that has the history and not the copies
    got = mlx("artifact", "get", "both::output")
    assert got.code == 0, got.stderr
    assert "6999.5" in got.stdout
    described = json.loads(mlx("artifact", "describe", "numbers::output", "-o", "json").stdout)
    assert described["where"] == f"s3://{bucket}/mlx/{first[1].outputs[0].uri}"
    assert described["is_there"] is True
    assert mlx("artifact", "get", "numbers::output", "--path", "numbers.npy").code == 0
    np.testing.assert_array_equal(np.load("numbers.npy"), values["numbers"])


def test_content_that_is_gone_is_made_again(
    project: Path, mlx_process: list[str], mlx: Mlx, s3_server: S3Server, bucket: str
) -> None:
    run(mlx_process, "run", "p.py")
    for key in s3_server.keys(bucket):
        s3_server.call("DELETE", f"/{bucket}/{key}")
    run(mlx_process, "run", "p.py")
    assert [step.status for step in steps_of(mlx)] == ["completed"] * 3


def test_a_store_is_tested_and_looked_at(
    project: Path, mlx: Mlx, s3_server: S3Server, bucket: str, proxy: Proxy
) -> None:
    done = mlx("artifact-store", "test", "lake", "-o", "json")
    assert done.code == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["name"], found["flavor"], found["is_shared"]) == ("lake", "s3", True)
    assert found["location"] == f"s3://{bucket}/mlx"
    assert min(found[name] for name in ("answered", "written", "read", "deleted")) > 0
    assert "answers and keeps what is written" in done.stderr
    assert s3_server.keys(bucket) == []
    assert "mlx doctor --online" in mlx("doctor", "--stack", "team").stdout
    assert f"lake (s3://{bucket}/mlx) answers in" in mlx("doctor", "--stack", "team", "--online").stdout
    write_project(project, s3_server.url, "no-such-lake")
    done = mlx("artifact-store", "test", "lake")
    assert (done.code, done.stdout) == (1, "")
    assert "there is no bucket 'no-such-lake'" in done.stderr


def test_pruning_leaves_a_shared_store_alone_unless_told(
    project: Path, mlx_process: list[str], mlx: Mlx, s3_server: S3Server, bucket: str
) -> None:
    run(mlx_process, "run", "p.py")
    before = s3_server.keys(bucket)
    done = mlx("runs", "delete", "latest", "--yes")
    assert done.code == 0, done.stderr
    assert s3_server.keys(bucket) == before
