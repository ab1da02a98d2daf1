"""A project with a home and a secret store of its own, in which servers are deployed by real commands."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from mlxkit.config.paths import find_project
from mlxkit.integrations.mlflow.server.files import serve_by_files
from mlxkit.integrations.mlflow.server.store import ServerStore
from mlxkit.integrations.mlflow.serving.state import holder
from mlxkit.secrets.service import SecretService
from mlxkit.stacks.servers import DeployRecord, Provider
from tests.fixtures.mlflow_server import free_port

_DROPPED = ("MLX_", "MLFLOW_", "DATABRICKS_", "XDG_", "PYTHON_KEYRING", "DBUS_SESSION", "GITHUB_")
PIPELINE = """
import mlflow
from mlxkit import pipeline, step

@step(experiment_tracker=True)
def fit(x: int = 1) -> int:
    mlflow.log_metric("m", x)
    mlflow.log_text("through the server", "hello.txt")
    return x

@pipeline
def own() -> None:
    fit()
"""


@dataclass(frozen=True)
class Place:
    """A project folder and the environment of the commands in it."""

    folder: Path
    environment: dict[str, str]

    def start(self, *argv: str, **extra: str) -> subprocess.Popen[str]:
        """Start a command."""
        return subprocess.Popen(
            [sys.executable, "-m", "mlxkit", *argv],
            cwd=self.folder,
            env={**self.environment, **extra},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def mlx(self, *argv: str, **extra: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        process = self.start(*argv, **extra)
        out, err = process.communicate(timeout=300)
        return subprocess.CompletedProcess(argv, process.returncode, out, err)

    def json(self, *argv: str, **extra: str) -> Any:
        """Run a command that has to work, and return what it prints."""
        done = self.mlx(*argv, "-o", "json", **extra)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def server(self, name: str) -> Path:
        """Return the folder of a server."""
        return self.folder / ".mlx" / "servers" / name

    def password(self, name: str) -> str:
        """Return the password of a server's administrator."""
        return self.mlx("secret", "get", f"{name}_admin", "password", "--reveal").stdout.strip()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A project; whatever was deployed in it is stopped at the end."""
    if find_spec("flask_wtf") is None:
        pytest.skip("mlflow[auth] is not installed: pip install 'mlflow[auth]'")
    base = tmp_path_factory.mktemp("own")
    folder = base / "project"
    folder.mkdir()
    (folder / "mlx.yaml").write_text("version: 1\n")
    (folder / "own.py").write_text(PIPELINE)
    key = base / "key"
    key.write_text(base64.b64encode(os.urandom(32)).decode())
    key.chmod(0o600)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_DROPPED)}
    environment |= {
        "HOME": str(base / "home"),
        "MLX_KEYRING_KEY_FILE": str(key),
        "MLX_NO_INPUT": "1",
        "NO_COLOR": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
    }
    made = Place(folder, environment)
    try:
        yield made
    finally:
        for record in made.json("tracker", "status"):
            made.mlx("tracker", "stop", record["name"])


@pytest.fixture(scope="module")
def team(place: Place) -> Place:
    """A project with a server `team`, and a stack that logs to it."""
    done = place.mlx(
        "tracker",
        "deploy",
        "team",
        "-x",
        f"port={free_port()}",
        "-x",
        "allowed_hosts=team.example,*.wild.example",
    )
    assert done.returncode == 0, done.stderr
    assert "mlx stack register team_stack -e team --set" in done.stderr
    assert place.mlx("stack", "register", "team_stack", "-e", "team", "--set").returncode == 0
    return place


@pytest.fixture
def running(team: Place) -> Place:
    """The same, with its server running, whatever the test before has done to it."""
    if holder(team.server("team")) is None:
        done = team.mlx("tracker", "start", "team")
        assert done.returncode == 0, done.stderr
    return team


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ServerStore]:
    """The servers of a project in this process, with a secret store."""
    key = tmp_path / "key"
    key.write_text(base64.b64encode(os.urandom(32)).decode())
    key.chmod(0o600)
    Path("mlx.yaml").write_text("version: 1\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLX_KEYRING_KEY_FILE", str(key))
        yield ServerStore(find_project())


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[SecretService]:
    """A secret store."""
    key = tmp_path / "key"
    key.write_text(base64.b64encode(os.urandom(32)).decode())
    key.chmod(0o600)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLX_KEYRING_KEY_FILE", str(key))
        yield SecretService()


def serve(name: str, provider: Provider, **options: str) -> DeployRecord:
    def never(question: str) -> None:
        raise AssertionError(question)

    return serve_by_files(name, provider, options, dry_run=False, confirm=never)
