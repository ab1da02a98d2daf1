"""A server, a database or a workspace that is not as it should be: named in one line, and nothing is made of it."""

from __future__ import annotations

import base64
import json
import socket
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlxkit.errors import ConfigError, CredentialsError, MlxError, NotFoundError, UnreachableError
from mlxkit.integrations.mlflow import rest
from mlxkit.integrations.mlflow.registry.client import ClientRegistry
from mlxkit.integrations.mlflow.registry.registry import MlflowRegistry
from mlxkit.integrations.mlflow.registry.sqlite import SqliteRegistry
from mlxkit.secrets.value import SecretValue
from mlxkit.stacks.registries import LoggedModel, ModelVersion
from mlxkit.stacks.resolve import ResolvedComponent
from tests.fixtures.loopback import databricks_in_front_of, http_server, listening
from tests.fixtures.mlflow_server import MlflowServer

from ..conftest import Setting, server_attributes
from .contract import Place, local_copy

MODEL = LoggedModel("model", "models:/m-" + "0" * 32, "0" * 32)


def registry(state_dir: Path, **attributes: Any) -> MlflowRegistry:
    return MlflowRegistry(
        ResolvedComponent("model_registry", "default", "mlflow", {}),
        ResolvedComponent("experiment_tracker", "team", "mlflow", attributes),
        state_dir,
        waiting=lambda _: None,
    )


def questions(made: MlflowRegistry, folder: Path) -> list[Callable[[], Any]]:
    """Return everything that can be asked of a registry."""
    version = ModelVersion("iris", 1)
    return [
        made.models,
        lambda: made.model("iris"),
        lambda: made.versions("iris"),
        lambda: made.version("iris", 1),
        lambda: made.register("iris", MODEL),
        lambda: made.set_description("iris", "x"),
        lambda: made.set_tags("iris", {"a": "b"}),
        lambda: made.set_alias("iris", "production", 1),
        lambda: made.delete("iris"),
        lambda: made.run("r"),
        lambda: made.runs(["r"]),
        lambda: made.runs(["r", "s", "t"]),
        lambda: made.runs_of("ours"),
        lambda: made.logged_models(["r"]),
        lambda: made.read(version, "MLmodel"),
        lambda: made.download(version, folder / "taken"),
    ]


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        ((200, "text/html", b"<html>Sign in to the hotel's network</html>"), UnreachableError, "JSON"),
        ((500, "text/html", b"<html>oops</html>"), UnreachableError, "answers with an error .500."),
        ((401, "text/plain", b"no"), CredentialsError, "asks for credentials"),
        (
            (403, "application/json", b'{"message": "Permission denied"}'),
            CredentialsError,
            "Permission denied",
        ),
        ((404, "text/html", b"<html>no such page</html>"), MlxError, "404|no logged model"),
    ],
)
def test_an_answer_that_is_none_is_named(
    tmp_path: Path, answer: tuple[int, str, bytes], error: type[MlxError], words: str
) -> None:
    with http_server(lambda *_: answer) as uri:
        for ask in questions(registry(tmp_path / ".mlx", tracking_uri=uri), tmp_path):
            with pytest.raises(error, match=words):
                ask()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "told",
    [
        5, [1], "x", {"registered_models": 5}, {"registered_models": [5]}, {"registered_models": [{}]},
        {"registered_model": {"name": "iris", "latest_versions": [{"version": "x"}]}},
        {"registered_model": None}, {"model_version": {"name": "iris"}}, {"model_version": []},
        {"run": {"info": {"run_id": "r", "start_time": "soon"}}}, {"run": 5}, {"run": {"info": {"run_id": "r"}, "data": {"metrics": [{"key": 1, "value": "x"}]}}},
        {"runs": [{}], "experiments": [{"experiment_id": "1"}]}, {"experiments": 1},
        {"artifact_uri": None, "files": [None]}, {"artifact_uri": 5}, {"model": {"info": 5}},
        {"registered_models": [{"name": "a", "creation_timestamp": 1e400}]},
    ],
)  # fmt: skip
def test_json_that_is_not_mlflow_s_is_named_and_never_crashes(tmp_path: Path, told: Any) -> None:
    body = json.dumps(told).encode()
    with http_server(lambda *_: (200, "application/json", body)) as uri:
        for ask in questions(registry(tmp_path / ".mlx", tracking_uri=uri), tmp_path):
            try:
                ask()
            except MlxError as error:
                assert "\n" not in error.message
    assert list(tmp_path.iterdir()) == []


def test_pages_without_end_end(tmp_path: Path) -> None:
    told = {"registered_models": [{"name": "a"}], "next_page_token": "again"}
    with http_server(lambda *_: (200, "application/json", json.dumps(told).encode())) as uri:
        assert len(registry(tmp_path, tracking_uri=uri).models()) == 2


def test_a_server_that_is_down_is_named_at_once(tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{taken.getsockname()[1]}"
        started = time.monotonic()
        for ask in questions(registry(tmp_path / ".mlx", tracking_uri=uri), tmp_path):
            with pytest.raises(UnreachableError, match=r"127\.0\.0\.1"):
                ask()
        assert time.monotonic() - started < 20  # MLflow itself would try for minutes


def test_a_server_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest.Rest.call, "__kwdefaults__", {"timeout": 0.2})
    done = threading.Event()
    with listening(lambda _: done.wait(20) and None) as port:  # type: ignore[func-returns-value]
        made = registry(tmp_path, tracking_uri=f"http://127.0.0.1:{port}")
        for ask in (made.models, lambda: made.model("iris"), lambda: made.register("iris", MODEL)):
            with pytest.raises(UnreachableError, match=r"0\.2"):
                ask()
        done.set()


def test_a_wrong_password_is_named_and_not_told(mlflow_server: MlflowServer, tmp_path: Path) -> None:
    wrong = {**server_attributes(mlflow_server), "tracking_password": SecretValue("WR0NG-hunter2")}
    for ask in questions(registry(tmp_path / ".mlx", **wrong), tmp_path):
        with pytest.raises(CredentialsError, match="refused the user name or password") as caught:
            ask()
        assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"


def test_without_a_database_there_is_nothing_and_none_is_made(tmp_path: Path) -> None:
    made = registry(tmp_path / ".mlx")
    assert made.models() == []
    assert (made.runs(["r"]), made.runs_of("ours"), made.logged_models(["r"])) == ({}, [], [])
    version = ModelVersion("iris", 1)
    for ask in (
        lambda: made.model("iris"),
        lambda: made.versions("iris"),
        lambda: made.version("iris", 1),
        lambda: made.run("r"),
        lambda: made.register("iris", MODEL),
        lambda: made.register("iris", LoggedModel("m", "runs:/r/m", "r")),
        lambda: made.set_alias("iris", "production", 1),
        lambda: made.delete("iris"),
        lambda: made.download(version, tmp_path / "taken"),
        lambda: made.read(version, "MLmodel"),
    ):
        with pytest.raises(NotFoundError):
            ask()
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_is_made_meanwhile_is_seen(local_models: Place, tmp_path: Path) -> None:
    made = registry(tmp_path / ".mlx")
    assert made.runs_of("ours-1") == []
    local_copy(local_models, tmp_path / ".mlx")
    assert len(made.runs_of("ours-1")) == 2


@pytest.mark.parametrize("content", [b"no database at all" * 100, None])
def test_a_corrupt_database_is_named(local: Setting, tmp_path: Path, content: bytes | None) -> None:
    database = local.state_dir / "mlflow" / "mlflow.db"
    whole = database.read_bytes()
    for path in database.parent.glob("mlflow.db-*"):
        path.unlink()
    database.write_bytes(content or whole[:8192] + b"\xff" * (len(whole) - 8192))
    for ask in questions(registry(local.state_dir), tmp_path):
        with pytest.raises(ConfigError, match="cannot be used"):
            ask()


def test_tables_that_look_otherwise_are_left_to_mlflow_s_client(local: Setting) -> None:
    database = local.state_dir / "mlflow" / "mlflow.db"
    with sqlite3.connect(database) as link:
        link.execute("DROP TABLE registered_model_aliases")
    made = registry(local.state_dir)
    assert type(made._backend) is ClientRegistry  # nothing that we can write to: MLflow says what it thinks
    with sqlite3.connect(database) as link:
        link.execute(
            "CREATE TABLE registered_model_aliases (alias VARCHAR(256) NOT NULL, version INTEGER NOT NULL, "
            "name VARCHAR(256) NOT NULL, workspace VARCHAR(63) DEFAULT 'default' NOT NULL, PRIMARY KEY (workspace, name, alias))"
        )
    assert type(registry(local.state_dir)._backend) is SqliteRegistry


def test_a_database_that_somebody_writes_to_is_read_meanwhile(local_models: Place, tmp_path: Path) -> None:
    place = local_copy(local_models, tmp_path / ".mlx")
    made = place.registry()
    with sqlite3.connect(place.state_dir / "mlflow" / "mlflow.db") as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE runs SET name = 'x'")
        assert made.run(place.made["run"]).name == "first"


TOKEN = "dapi-S3CR3T-9876543210"


@pytest.mark.parametrize("unity", [False, True])
def test_a_workspace_keeps_models_over_rest_and_unity_catalog_through_the_client(
    server_models: Place, mlflow_server: MlflowServer, tmp_path: Path, pipeline_name: str, unity: bool
) -> None:
    pair = base64.b64encode(f"{mlflow_server.username}:{mlflow_server.password}".encode()).decode()
    with databricks_in_front_of(mlflow_server.uri, TOKEN, f"Basic {pair}") as (host, seen):
        attributes = {
            "tracking_uri": "databricks",
            "databricks_host": host,
            "tracking_token": SecretValue(TOKEN),
            "enable_unity_catalog": unity,
        }
        made = registry(tmp_path, **attributes)
        if unity:
            with pytest.raises(MlxError) as caught:  # an MLflow server has no Unity Catalog behind it
                made.models()
            assert TOKEN not in f"{caught.value.message} {caught.value.hint}"
            assert any("unity-catalog" in request for request in seen)
            return
        name = f"m-{pipeline_name}"
        [model] = [
            found for found in made.logged_models([server_models.made["run"]]) if found.name == "model"
        ]
        assert made._backend.location_of_model(model.model_id).startswith("mlflow-artifacts:")
        old = made.logged_models([server_models.made["old"]])[0]
        version = made.register(name, old)
        made.set_alias(name, "production", version.version)
        assert made.versions(name)[0].aliases == ("production",)
        assert made.models() != [] and made.run(server_models.made["run"]).name == "first"
