"""Files of ours among a run's artifacts: on this machine, on a server that proxies them, and where neither is possible."""

from __future__ import annotations

import base64
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from mlxkit.errors import MlxError
from mlxkit.integrations.mlflow import attachments
from mlxkit.integrations.mlflow.attachments import NotAttachedError, attach
from mlxkit.stacks.protocols import StepFacts
from tests.fixtures.mlflow_server import MlflowServer

from .conftest import Setting

PAGE = "<p>ünï</p>".encode()


def artifact(setting: Setting, run: dict[str, Any], name: str, server: MlflowServer | None) -> bytes:
    """Read a file of a run as MLflow's own web page does, or from the disk."""
    if server is None:
        folder = str(run["info"]["artifact_uri"]).removeprefix("file://")
        return (Path(folder) / name).read_bytes()
    pair = base64.b64encode(f"{server.username}:{server.password}".encode()).decode()
    request = urllib.request.Request(
        f"{server.uri}/get-artifact?path={name}&run_uuid={run['info']['run_id']}",
        headers={"Authorization": f"Basic {pair}"},
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
        return bytes(answer.read())


def test_a_file_is_among_the_artifacts_of_the_shared_run(
    setting: Setting, pipeline_name: str, mlflow_server: MlflowServer
) -> None:
    tracking = setting.open(pipeline_name)
    with tracking.step(StepFacts("train", "s1", settings={"nested": True})):
        pass
    tracking.attach("mlx/graph.html", PAGE)
    tracking.finish("completed")
    parent, child = setting.reader.runs(pipeline_name)
    server = mlflow_server if setting.scenario == "server" else None
    assert artifact(setting, parent, "mlx/graph.html", server) == PAGE
    with pytest.raises((urllib.error.HTTPError, FileNotFoundError)):
        artifact(setting, child, "mlx/graph.html", server)


def test_a_second_file_of_the_same_name_takes_the_place_of_the_first(
    setting: Setting, pipeline_name: str, mlflow_server: MlflowServer
) -> None:
    tracking = setting.open(pipeline_name)
    with tracking.step(StepFacts("train", "s1")):
        pass
    tracking.attach("mlx/graph.html", b"old and longer than the new one")
    tracking.attach("mlx/graph.html", PAGE)
    tracking.finish("completed")
    [run] = setting.reader.runs(pipeline_name)
    server = mlflow_server if setting.scenario == "server" else None
    assert artifact(setting, run, "mlx/graph.html", server) == PAGE


def test_without_a_run_nothing_is_written(setting: Setting, pipeline_name: str) -> None:
    tracking = setting.open(pipeline_name)
    tracking.attach("mlx/graph.html", PAGE)
    tracking.finish("completed")
    assert setting.reader.runs(pipeline_name) == []


def test_files_of_the_local_store_are_for_their_owner_alone(local: Setting, pipeline_name: str) -> None:
    tracking = local.open(pipeline_name)
    with tracking.step(StepFacts("train", "s1")):
        pass
    tracking.attach("mlx/graph.html", PAGE)
    [page] = local.state_dir.rglob("graph.html")
    assert page.stat().st_mode & 0o777 == 0o600
    assert page.parent.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_written_is_told_of(local: Setting, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MlxError, match="cannot"):
        attach(local.tracker.connection, None, (tmp_path / "file").as_uri(), "mlx/graph.html", PAGE)


def test_the_disk_of_a_server_elsewhere_is_not_made_up_here(server: Setting, tmp_path: Path) -> None:
    folder = tmp_path / "absent" / "mlruns" / "1" / "abc" / "artifacts"
    with pytest.raises(NotAttachedError, match="not on this machine"):
        attach(server.tracker.connection, server.tracker._rest, folder.as_uri(), "mlx/graph.html", PAGE)
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize(
    "folder",
    ["s3://bucket/1/abc/artifacts", "mlflow-artifacts://elsewhere:1/1/abc", "mlflow-artifacts:/../etc"],
)
def test_what_only_mlflow_reaches_is_left_alone_while_it_is_not_loaded(
    server: Setting, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachments.sys, "modules", {k: v for k, v in sys.modules.items() if k != "mlflow"})
    with pytest.raises(NotAttachedError, match="only MLflow itself"):
        attach(server.tracker.connection, server.tracker._rest, folder, "mlx/graph.html", PAGE)


def test_wrong_credentials_are_told_of_and_not_quoted(server: Setting, mlflow_server: MlflowServer) -> None:
    from mlxkit.secrets.value import SecretValue

    tracker = server.make(tracking_password=SecretValue("not-the-password"))
    with pytest.raises(MlxError) as caught:
        attach(tracker.connection, tracker._rest, "mlflow-artifacts:/9/abc/artifacts", "mlx/graph.html", PAGE)
    assert "not-the-password" not in str(caught.value)
    assert "refused" in caught.value.message


def test_a_local_store_is_written_to_without_an_http_client(local: Setting) -> None:
    code = "import sys, mlxkit.integrations.mlflow.attachments; print('http.client' in sys.modules, 'mlflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_what_only_mlflow_reaches_is_written_by_it_once_it_is_loaded(local: Setting, tmp_path: Path) -> None:
    """A store of artifacts that somebody added to MLflow, as its plugins do."""
    import mlflow  # noqa: F401
    from mlflow.store.artifact import artifact_repository_registry as registry
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

    class Shelf(LocalArtifactRepository):  # type: ignore[misc]
        def __init__(self, artifact_uri: str, *args: Any, **kwargs: Any) -> None:
            super().__init__(artifact_uri.replace("shelf:", "file:"))

    registry._artifact_repository_registry.register("shelf", Shelf)
    try:
        attach(local.tracker.connection, None, f"shelf://{tmp_path}/1/abc", "mlx/graph.html", PAGE)
    finally:
        del registry._artifact_repository_registry._registry["shelf"]
    assert (tmp_path / "1" / "abc" / "mlx" / "graph.html").read_bytes() == PAGE


def test_another_server_gets_no_credentials_and_its_refusal_is_told(
    server: Setting, mlflow_server: MlflowServer
) -> None:
    """The same server under another name: MLflow's client asks it, without our password."""
    import mlflow  # noqa: F401

    folder = f"mlflow-artifacts://localhost:{mlflow_server.uri.rpartition(':')[2]}/9/abc/artifacts"
    with pytest.raises(NotAttachedError, match=r"MLflow cannot write to .*401") as caught:
        attach(server.tracker.connection, server.tracker._rest, folder, "mlx/graph.html", PAGE)
    assert mlflow_server.password not in str(caught.value)
