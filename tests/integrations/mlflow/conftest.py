"""Trackers to test with: the local store and a real server, each with a reader that does not go through us."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import pytest

from mlxkit.integrations.mlflow.local_store import LocalStore
from mlxkit.integrations.mlflow.session import MlflowRunTracking
from mlxkit.integrations.mlflow.tracker import MlflowTracker
from mlxkit.secrets.value import SecretValue
from mlxkit.stacks.protocols import RunFacts, TrackerRun
from mlxkit.stacks.resolve import ResolvedComponent
from tests.fixtures.mlflow_server import MlflowServer

from .registry.contract import Place, run_client


class Reader(Protocol):
    """What is really in MLflow."""

    def run(self, run_id: str) -> dict[str, Any]: ...

    def runs(self, experiment: str) -> list[dict[str, Any]]: ...


class LocalReader:
    """Reads MLflow's SQLite file."""

    def __init__(self, database: Path) -> None:
        self.database = database

    def run(self, run_id: str) -> dict[str, Any]:
        with closing(sqlite3.connect(self.database)) as db:
            db.row_factory = sqlite3.Row
            row = dict(db.execute("SELECT * FROM runs WHERE run_uuid = ?", (run_id,)).fetchone())
            info = {
                **row,
                "run_id": row["run_uuid"],
                "run_name": row["name"],
                "experiment_id": str(row["experiment_id"]),
            }
            pairs = {
                kind: dict(
                    db.execute(f"SELECT key, value FROM {table} WHERE run_uuid = ?", (run_id,)).fetchall()
                )
                for kind, table in (("params", "params"), ("tags", "tags"), ("metrics", "latest_metrics"))
            }
            return {"info": info, **pairs}

    def runs(self, experiment: str) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(self.database)) as db:
            rows = db.execute(
                "SELECT run_uuid FROM runs r JOIN experiments e ON e.experiment_id = r.experiment_id "
                "WHERE e.name = ? ORDER BY start_time, r.rowid",
                (experiment,),
            ).fetchall()
        return [self.run(row[0]) for row in rows]


class Setting:
    """A tracker, what reads its runs back, and the runs that history was told of."""

    def __init__(self, scenario: str, state_dir: Path, reader: Reader, attributes: dict[str, Any]) -> None:
        self.scenario = scenario
        self.state_dir = state_dir
        self.reader = reader
        self.attributes = attributes
        self.told: list[TrackerRun] = []
        self.tracker = self.make()

    def make(self, **attributes: Any) -> MlflowTracker:
        """Make another tracker on the same store."""
        return MlflowTracker(
            ResolvedComponent("experiment_tracker", "team", "mlflow", {**self.attributes, **attributes}),
            self.state_dir,
        )

    def open(
        self, pipeline: str = "train", *, tracker: MlflowTracker | None = None, **facts: Any
    ) -> MlflowRunTracking:
        """Begin a pipeline run."""
        given = {
            "run_id": "r1",
            "run_name": f"{pipeline}-1",
            "pipeline": pipeline,
            "stack": "default",
            **facts,
        }
        return (tracker or self.tracker).open(RunFacts(**given), self.told.append)


@pytest.fixture(scope="session")
def ready_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a local store whose database is made; making one takes MLflow two seconds."""
    folder = tmp_path_factory.mktemp("ready") / "mlflow"
    LocalStore(folder / "mlflow.db", folder).ensure()
    return folder


@pytest.fixture
def local(tmp_path: Path, ready_store: Path) -> Setting:
    """The local scenario, its database made."""
    shutil.copytree(ready_store, tmp_path / ".mlx" / "mlflow")
    return Setting("local", tmp_path / ".mlx", LocalReader(tmp_path / ".mlx" / "mlflow" / "mlflow.db"), {})


@pytest.fixture
def server(tmp_path: Path, mlflow_server: MlflowServer) -> Setting:
    """The server scenario, with basic authentication."""
    return Setting("server", tmp_path / ".mlx", mlflow_server.admin, server_attributes(mlflow_server))


@pytest.fixture(params=["local", "server"])
def setting(request: pytest.FixtureRequest) -> Setting:
    """Both scenarios, one after the other."""
    made: Setting = request.getfixturevalue(request.param)
    return made


@pytest.fixture
def pipeline_name(request: pytest.FixtureRequest) -> str:
    """A name of the test's own, because tests share the server."""
    return "".join(char if char.isalnum() else "-" for char in request.node.name)


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fail a test that leaves MLflow, the environment or the working directory changed."""
    before = _environment()
    yield
    assert _environment() == before
    assert not [path for path in Path.cwd().iterdir() if path.name in ("mlruns", "mlartifacts", "mlflow.db")]
    if "mlflow" in sys.modules:
        from mlflow.tracking import fluent
        from mlflow.tracking._tracking_service import utils

        assert fluent._active_run_stack.get() == []
        assert fluent._active_experiment_id is None
        assert utils._tracking_uri is None
        assert fluent.start_run.__code__.co_name == "start_run"


def _environment() -> dict[str, str]:
    ignored = ("PYTEST_", "_RJEM_", "KMP_")  # set by pytest, and by libraries when they are imported
    return {name: value for name, value in os.environ.items() if not name.startswith(ignored)}


def server_attributes(server: MlflowServer) -> dict[str, Any]:
    """The attributes of a tracker on the test server, credentials as a resolved component holds them."""
    return {
        "tracking_uri": server.uri,
        "tracking_username": SecretValue(server.username),
        "tracking_password": SecretValue(server.password),
    }


@pytest.fixture(scope="session")
def local_models(ready_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A local store in which MLflow's own client logged models."""
    state_dir = tmp_path_factory.mktemp("local-models") / ".mlx"
    folder = state_dir / "mlflow"
    shutil.copytree(ready_store, folder)
    environment = {
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}",
        "_MLFLOW_SERVER_ARTIFACT_ROOT": (folder / "artifacts").as_uri(),
    }
    return Place("local", state_dir, {}, environment, run_client(environment, "log"))


@pytest.fixture(scope="session")
def server_models(mlflow_server: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A server on which MLflow's own client logged models."""
    environment = {
        "MLFLOW_TRACKING_URI": mlflow_server.uri,
        "MLFLOW_TRACKING_USERNAME": mlflow_server.username,
        "MLFLOW_TRACKING_PASSWORD": mlflow_server.password,
    }
    state_dir = tmp_path_factory.mktemp("server-models") / ".mlx"
    made = run_client(environment, "log")
    [artifacts] = tmp_path_factory.getbasetemp().glob("mlflow-server[0-9]*/artifacts")
    return Place("server", state_dir, server_attributes(mlflow_server), environment, made, artifacts)
