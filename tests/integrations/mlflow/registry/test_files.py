"""The files of a model are taken all or not at all, from wherever they are, and never out of their folder."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from mlxkit.errors import AlreadyExistsError, MlxError, NotFoundError, UnreachableError
from mlxkit.integrations.mlflow.registry import model_files
from mlxkit.integrations.mlflow.registry.library_files import LibraryFiles
from mlxkit.integrations.mlflow.registry.registry import MlflowRegistry
from mlxkit.integrations.mlflow.registry.uris import local_path
from mlxkit.secrets.masking import mask_text
from mlxkit.stacks.registries import ModelVersion
from mlxkit.stacks.resolve import ResolvedComponent
from tests.fixtures.loopback import http_server

from .contract import Place

_LARGE = "artifacts/large file (1)+é.bin"


@pytest.fixture(params=["local", "server"])
def place(request: pytest.FixtureRequest) -> Place:
    made: Place = request.getfixturevalue(f"{request.param}_models")
    return made


def version_of(place: Place, name: str, model: str = "model") -> tuple[MlflowRegistry, ModelVersion]:
    registry = place.registry()
    runs = [place.made["run"], place.made["old"]]
    made = next(found for found in registry.logged_models(runs) if found.name == model)
    return registry, registry.register(name, made)


def folder_of(place: Place, version: ModelVersion) -> Path:
    """Where the files of a version really are, on this machine."""
    location = place.registry()._backend.location(version.name, version.version)
    found = local_path(location)
    if found is None:
        found = place.artifacts / urlsplit(location).path.lstrip("/")
    assert (found / "MLmodel").is_file()
    return found


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("model", ["model", "nested/model"])
def test_all_files_are_taken_for_the_user_alone(
    place: Place, pipeline_name: str, tmp_path: Path, model: str
) -> None:
    registry, version = version_of(place, pipeline_name, model)
    target = tmp_path / "deep" / "taken"
    registry.download(version, target)
    assert tree(target) == tree(folder_of(place, version))
    assert (model == "model") == (target / _LARGE).is_file()
    for path in [target, *target.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert [path.name for path in target.parent.iterdir()] == ["taken"]


def test_one_file_is_read(place: Place, pipeline_name: str) -> None:
    registry, version = version_of(place, pipeline_name)
    files = tree(folder_of(place, version))
    for path in ("MLmodel", "requirements.txt", _LARGE):
        assert registry.read(version, path) == files[path]
    for path in ("nope", "nope/nope", "MLmodel/nope", "artifacts/nope"):
        assert registry.read(version, path) is None


@pytest.mark.parametrize("path", ["../MLmodel", "/etc/hostname", "a/../../b", "", "..", "a\\..\\b"])
def test_only_what_is_in_the_folder_is_read(place: Place, pipeline_name: str, path: str) -> None:
    registry, version = version_of(place, pipeline_name)
    with pytest.raises(MlxError, match="no path inside"):
        registry.read(version, path)


def test_a_folder_that_is_there_is_left_alone(place: Place, pipeline_name: str, tmp_path: Path) -> None:
    registry, version = version_of(place, pipeline_name)
    for target in (tmp_path / "full", tmp_path / "empty", tmp_path / "dangling"):
        target.symlink_to("nowhere") if target.name == "dangling" else target.mkdir()
        if target.name == "full":
            (target / "mine").write_text("x")
        with pytest.raises(AlreadyExistsError):
            registry.download(version, target)
    assert (tmp_path / "full" / "mine").read_text() == "x"
    assert len(list(tmp_path.iterdir())) == 3


def test_files_that_are_gone_are_named_and_nothing_is_left(
    place: Place, pipeline_name: str, tmp_path: Path
) -> None:
    registry, version = version_of(place, pipeline_name, "other")
    folder = folder_of(place, version)
    aside = folder.with_name("aside")
    folder.rename(aside)
    try:
        with pytest.raises(NotFoundError, match=r"files of .* are gone"):
            registry.download(version, tmp_path / "taken")
        assert registry.read(version, "MLmodel") is None
    finally:
        aside.rename(folder)
    assert list(tmp_path.iterdir()) == []


def test_a_version_made_from_a_run_s_address_leads_to_its_files(
    place: Place, pipeline_name: str, tmp_path: Path
) -> None:
    """As `MlflowClient.create_model_version` writes it, without looking at what the address means."""
    made = place.made
    place.client(
        ["create_registered_model", pipeline_name],
        ["create_model_version", pipeline_name, f"runs:/{made['old']}/nested/model", made["old"]],
    )
    registry = place.registry()
    registry.download(registry.version(pipeline_name, 1), tmp_path / "taken")
    assert (tmp_path / "taken" / "MLmodel").is_file()
    with pytest.raises(NotFoundError, match="no model named 'runner-of-none'"):
        registry.download(ModelVersion("runner-of-none", 1), tmp_path / "other")


def test_a_full_disk_leaves_nothing(place: Place, pipeline_name: str, tmp_path: Path) -> None:
    """A real limit of the size of a file: the system refuses to write on, as it does on a full disk."""
    import resource
    import signal

    registry, version = version_of(place, pipeline_name)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024 * 1024, before[1]))
    try:
        with pytest.raises(
            MlxError, match=r"cannot write the files .*File too large.*nothing was left behind"
        ):
            registry.download(version, tmp_path / "taken")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_leaves_nothing(
    place: Place, pipeline_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, version = version_of(place, pipeline_name)
    files, location = registry._files(version)
    copy = files.copy_to

    def interrupted(folder: Path) -> int:
        copy(folder)
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "copy_to", interrupted, raising=False)
    with pytest.raises(KeyboardInterrupt):
        model_files.take(files, version, location, tmp_path / "taken")
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_local_model_may_hold_links_and_no_pipe(
    local_models: Place, pipeline_name: str, tmp_path: Path
) -> None:
    _, version = version_of(local_models, pipeline_name, "nested/model")
    source = folder_of(local_models, version)
    copy = tmp_path / "copy"
    shutil.copytree(source, copy)
    (tmp_path / "weights").write_text("w")
    (copy / "link").symlink_to(tmp_path / "weights")
    files = model_files.LocalFiles(copy)
    model_files.take(files, version, str(copy), tmp_path / "a")
    assert (tmp_path / "a" / "link").read_text() == "w" and not (tmp_path / "a" / "link").is_symlink()
    (copy / "circle").symlink_to(copy)
    with pytest.raises(MlxError, match="cannot write"):
        model_files.take(files, version, str(copy), tmp_path / "b")
    (copy / "circle").unlink()
    os.mkfifo(copy / "pipe")
    with pytest.raises(MlxError, match="named pipe"):
        model_files.take(files, version, str(copy), tmp_path / "b")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "copy", "weights"]


def test_mlflow_s_own_download_takes_the_same_with_the_tracker_s_credentials(
    server_models: Place, pipeline_name: str, tmp_path: Path
) -> None:
    """The way for S3 and the like, here to where we can go ourselves as well."""
    registry, version = version_of(server_models, pipeline_name)
    location = registry._backend.location(version.name, version.version)
    files = LibraryFiles(location, registry.connection, server_models.told.append)
    model_files.take(files, version, location, tmp_path / "taken")
    assert tree(tmp_path / "taken") == tree(folder_of(server_models, version))
    assert files.read("MLmodel") == registry.read(version, "MLmodel")
    assert files.read("nope") is None
    gone = LibraryFiles(f"{location}x", registry.connection, server_models.told.append)
    with pytest.raises(NotFoundError, match="gone"):
        model_files.take(gone, version, location, tmp_path / "gone")


def test_a_place_that_mlflow_cannot_reach_is_named_without_what_it_was_told(
    server_models: Place, pipeline_name: str, tmp_path: Path
) -> None:
    registry, version = version_of(server_models, pipeline_name)
    location = "ftp://me:S3CR3T@127.0.0.1:1/models"
    files = LibraryFiles(location, registry.connection, server_models.told.append)
    with pytest.raises(MlxError) as caught:
        model_files.take(files, version, location, tmp_path / "taken")
    assert "127.0.0.1" in caught.value.message and "S3CR3T" not in caught.value.message
    assert mask_text(caught.value.message) == caught.value.message
    assert list(tmp_path.iterdir()) == []


class Hostile:
    """A server that knows one version, and answers with whatever it is made to about its files."""

    def __init__(self, files: Callable[[str], Any], body: Callable[[str], tuple[int, bytes]]) -> None:
        self.files, self.body = files, body

    def __call__(self, request: Any, _: bytes) -> tuple[int, str, bytes]:
        parts = urlsplit(request.path)
        if parts.path.endswith("get-download-uri"):
            return 200, "application/json", b'{"artifact_uri": "mlflow-artifacts:/1/m"}'
        if parts.path.endswith("/artifacts"):
            told = self.files(parse_qs(parts.query)["path"][0])
            return 200, "application/json", json.dumps(told).encode()
        status, body = self.body(unquote(parts.path))
        return status, "application/octet-stream", body


def hostile_registry(uri: str, tmp_path: Path) -> tuple[MlflowRegistry, ModelVersion]:
    tracker = ResolvedComponent(
        "experiment_tracker", "team", "mlflow", {"tracking_uri": uri, "anonymous": True}
    )
    component = ResolvedComponent("model_registry", "default", "mlflow", {})
    return (
        MlflowRegistry(component, tracker, tmp_path / ".mlx", waiting=lambda _: None),
        ModelVersion("iris", 1),
    )


@pytest.mark.parametrize(
    "files",
    [
        *([{"path": name, "is_dir": False, "file_size": 2}]
          for name in ("../evil", "..", ".", "", "/etc/evil", "a/b", "a\\b", "C:evil", "a\0b", 5, None)),
        *([{"path": name, "is_dir": True}] for name in ("..", "/", ".")),
        [{"is_dir": False}],
        [5],
        "no list",
        5,
        [{"path": "a", "is_dir": False, "file_size": "many"}],
        [{"path": "a", "is_dir": False, "file_size": 3}],
        [{"path": "a", "is_dir": False}, {"path": "a", "is_dir": False}],
        [{"path": "in", "is_dir": True}],  # and in there, for ever
    ],
)  # fmt: skip
def test_a_hostile_list_of_files_writes_nothing_anywhere(tmp_path: Path, files: Any) -> None:
    (tmp_path / "sub").mkdir()
    with http_server(Hostile(lambda _: {"files": files}, lambda _: (200, b"hi"))) as uri:
        registry, version = hostile_registry(uri, tmp_path)
        with pytest.raises(MlxError):
            registry.download(version, tmp_path / "sub" / "taken")
    assert [path for path in tmp_path.rglob("*") if path.name != "sub"] == []


@pytest.mark.parametrize(
    "answer", [(500, b"<html>oops"), (401, b""), (403, b"no"), (404, b"gone"), (302, b"")]
)
def test_a_file_that_does_not_come_leaves_nothing(tmp_path: Path, answer: tuple[int, bytes]) -> None:
    listed = {"files": [{"path": "a", "is_dir": False, "file_size": 2}]}
    with http_server(Hostile(lambda _: listed, lambda _: answer)) as uri:
        registry, version = hostile_registry(uri, tmp_path)
        with pytest.raises(MlxError):
            registry.download(version, tmp_path / "taken")
    assert list(tmp_path.iterdir()) == []


def test_a_connection_that_breaks_within_a_file_leaves_nothing(tmp_path: Path) -> None:
    answer = Hostile(lambda _: {"files": [{"path": "a", "is_dir": False}]}, lambda _: (200, b""))

    def breaking(request: Any, body: bytes) -> tuple[int, str, bytes]:
        if not request.path.endswith("/a"):
            return answer(request, body)
        request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        request.wfile.flush()
        request.connection.shutdown(2)
        raise ConnectionResetError

    with http_server(breaking) as uri:
        registry, version = hostile_registry(uri, tmp_path)
        with pytest.raises(UnreachableError):
            registry.download(version, tmp_path / "taken")
    assert list(tmp_path.iterdir()) == []
