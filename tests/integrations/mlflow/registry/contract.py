"""A registry to test with, on the server and in the local store, and the models that a real client logged there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlxkit.integrations.mlflow.registry.registry import MlflowRegistry
from mlxkit.stacks.resolve import ResolvedComponent

_SCRIPT = Path(__file__).with_name("models.py")


@dataclass
class Place:
    """One tracker with runs and models that MLflow's own client made."""

    scenario: str
    state_dir: Path
    attributes: Mapping[str, Any]
    environment: Mapping[str, str]
    made: Mapping[str, Any]
    artifacts: Path = Path()
    told: list[str] = field(default_factory=list)

    def registry(self, **attributes: Any) -> MlflowRegistry:
        """Make a registry of its own."""
        tracker = ResolvedComponent("experiment_tracker", "team", "mlflow", {**self.attributes, **attributes})
        component = ResolvedComponent("model_registry", "default", "mlflow", {})
        return MlflowRegistry(component, tracker, self.state_dir, waiting=self.told.append)

    def client(self, *commands: Any) -> list[Any]:
        """Let MLflow's own client, in a process of its own, do something: `["method", arguments...]` each."""
        return list(run_client(self.environment, "calls", json.dumps(commands)))


def run_client(environment: Mapping[str, str], *arguments: str) -> Any:
    """Run MLflow's client in a child process and return what it tells."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, str(_SCRIPT), *arguments],
            env={**_plain_environment(), **environment},
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def _plain_environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "_MLFLOW_"))}
    quiet = {"MLFLOW_LOGGING_LEVEL": "ERROR", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true"}
    return {**kept, **quiet, "GIT_PYTHON_REFRESH": "quiet", "MLFLOW_DISABLE_TELEMETRY": "true"}


def local_copy(place: Place, state_dir: Path) -> Place:
    """Copy a local store, for a test that damages it; the addresses of its artifacts still are the first one's."""
    shutil.copytree(place.state_dir, state_dir)
    return Place(place.scenario, state_dir, place.attributes, place.environment, place.made)
