"""Real models, logged by a real run and registered once a session; each test gets a project of its own on a copy of the registry."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlxkit.config.paths import Project, project_at
from mlxkit.deployments.service import DeploymentService
from mlxkit.stacks.registries import ModelRegistry, open_registry

TRAINING = """
import mlflow
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import ColSpec, Schema, TensorSpec

from mlxkit import pipeline, step


class Adds(mlflow.pyfunc.PythonModel):
    def __init__(self, amount):
        self.amount = amount

    def predict(self, context, model_input, params=None):
        return [float(value) + self.amount for value in np.asarray(model_input, dtype=float).sum(axis=1)]


class FailsItsLoad(Adds):
    def load_context(self, context):
        raise RuntimeError("the weights are broken")


TABLE = pd.DataFrame({"a": [1.0, 2.0], "b": [10.0, 20.0]})
COLUMNS = ModelSignature(Schema([ColSpec("double", "a"), ColSpec("double", "b")]), Schema([ColSpec("double")]))
TENSOR = ModelSignature(Schema([TensorSpec(np.dtype("float64"), (-1, 3))]), Schema([TensorSpec(np.dtype("float64"), (-1,))]))


def log(name, model, **more):
    mlflow.pyfunc.log_model(name=name, python_model=model, **{"pip_requirements": ["mlflow"], **more})


@step(experiment_tracker=True)
def train() -> int:
    log("one", Adds(1), signature=COLUMNS)
    log("two", Adds(2), signature=COLUMNS, input_example=TABLE)
    log("broken", FailsItsLoad(3), signature=COLUMNS)
    log("lacking", Adds(4), signature=COLUMNS, pip_requirements=["mlflow", "no-such-thing-of-ours==1.0"])
    log("tensor", Adds(5), signature=TENSOR)
    log("bare", Adds(6))
    return 1


@pipeline
def zoo():
    train()
"""
VERSIONS = ("one", "two", "broken", "lacking", "tensor", "bare")
ONE, TWO, BROKEN, LACKING, TENSOR, BARE = range(1, 7)


@dataclass(frozen=True)
class Zoo:
    """A project whose registry holds the model `zoo` in six versions."""

    folder: Path

    @property
    def project(self) -> Project:
        return project_at(self.folder / "mlx.yaml")

    @property
    def registry(self) -> ModelRegistry:
        return open_registry(self.project)

    @property
    def service(self) -> DeploymentService:
        return DeploymentService(self.project)

    @property
    def deployments(self) -> Path:
        return self.project.state_dir / "deployments"

    def processes(self) -> list[int]:
        """Return the processes that work in this project's folder, however they came about."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (process / "cmdline").read_bytes().decode(errors="replace")
                inside = str((process / "cwd").readlink())
                if "mlxkit" in words and (
                    str(self.folder) in words or inside.startswith(str(self.folder) + "/")
                ):
                    found.append(int(process.name))
        return found

    def leftovers(self) -> list[int]:
        """Return the processes that are there still when those that are on their way out had a moment."""
        deadline = time.monotonic() + 20
        while (found := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return found

    def kill_leftovers(self) -> None:
        """End what a test has left running."""
        for _ in range(3):
            for process in self.processes():
                if process != os.getpid():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(process, signal.SIGKILL)


@pytest.fixture(scope="session")
def bred(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """The project in which the models were trained."""
    folder = tmp_path_factory.mktemp("zoo")
    (folder / "mlx.yaml").write_text("version: 1\n")
    (folder / "train.py").write_text(TRAINING)
    names = ("MLX_", "MLFLOW_", "DATABRICKS_", "XDG_")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(names)}
    environment |= {"HOME": str(folder), "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run(
        [sys.executable, "-m", "mlxkit", "run", "train.py"],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    zoo = Zoo(folder)
    registry = zoo.registry
    logged = {model.name: model for run in _runs(zoo) for model in registry.logged_models([run])}
    for number, name in enumerate(VERSIONS, start=1):
        assert registry.register("zoo", logged[name]).version == number
    return zoo


@pytest.fixture
def zoo(bred: Zoo, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zoo]:
    """A project in the working directory with its own copy of the registry; whatever it serves ends with the test."""
    made = _copied(bred, Path.cwd())
    try:
        yield made
    finally:
        made.kill_leftovers()


def _copied(bred: Zoo, folder: Path) -> Zoo:
    (folder / "mlx.yaml").write_text("version: 1\n")
    shutil.copytree(
        bred.folder / ".mlx" / "mlflow",
        folder / ".mlx" / "mlflow",
        ignore=shutil.ignore_patterns("artifacts"),
    )
    return Zoo(folder)


@pytest.fixture(scope="session")
def served(bred: Zoo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zoo]:
    """A project that serves `zoo:2` as `shared` and the tensor model as `tensor`, for tests that change nothing."""
    made = _copied(bred, tmp_path_factory.mktemp("served"))
    try:
        made.service.deploy("zoo:2", "shared", max_body=60 * 1024 * 1024)
        made.service.deploy(f"zoo:{TENSOR}", "tensor", max_body=1000)
        yield made
    finally:
        made.kill_leftovers()


def _runs(zoo: Zoo) -> list[str]:
    import sqlite3

    with contextlib.closing(sqlite3.connect(zoo.folder / ".mlx" / "mlflow" / "mlflow.db")) as db:
        return [row[0] for row in db.execute("SELECT run_uuid FROM runs")]
