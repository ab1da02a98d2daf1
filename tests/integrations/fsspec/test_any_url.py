"""The `fsspec` flavor where writing is no single act: a plain file system behind a URL."""

from __future__ import annotations

import errno
import ftplib
import os
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlxkit.artifacts.errors import ArtifactMissingError, ArtifactStoreError
from mlxkit.artifacts.io import load, save
from mlxkit.artifacts.materializers.base import BaseMaterializer
from mlxkit.artifacts.store import ENTRY_LIMIT
from mlxkit.errors import UnreachableError
from mlxkit.integrations.fsspec.artifact_store import FsspecArtifactStore
from mlxkit.integrations.local.artifact_store import LocalArtifactStore
from mlxkit.pipelines.cache_entries import _of_store
from mlxkit.stacks.resolve import ResolvedComponent


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FsspecArtifactStore:
    pytest.importorskip("fsspec", reason="fsspec is not installed")
    return make(tmp_path, monkeypatch, "a")


def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> FsspecArtifactStore:
    monkeypatch.setenv("MLX_HOME", str(tmp_path / name))
    attributes = {"path": f"file://{tmp_path}/shelf", "options": {"auto_mkdir": False}, "retries": 1}
    return FsspecArtifactStore(ResolvedComponent("artifact_store", "shelf", "fsspec", attributes), tmp_path)


def test_values_documents_and_keys(
    store: FsspecArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(store.uris()) == [] == list(store.entries(""))
    records = [save(value, store=store) for value in (np.arange(3), {"a": np.arange(3)})]
    assert sorted(store.uris()) == sorted(record.uri for record in records)
    other = make(tmp_path, monkeypatch, "b")
    assert other.is_shared and not other.is_remote
    assert list(other.at_once(other.exists, records)) == [True, True]
    np.testing.assert_equal([load(record, other) for record in records], [np.arange(3), {"a": np.arange(3)}])
    assert store.put_entry("cache/x", b"1") == b"1" == other.put_entry("cache/x", b"2")
    assert list(other.entries("cache/")) == ["cache/x"]
    told = b"x" * (ENTRY_LIMIT + 1)  # of a run of some thousand steps
    for one in (other, LocalArtifactStore.at(tmp_path / "folder")):
        assert one.put_entry("runs/r/doc/r/1", told) == told == one.get_entry("runs/r/doc/r/1")
    for record in records:
        measured = store.measure(record.uri)
        assert measured is not None and measured.size == record.size
        store.delete(record.uri)
    assert list(store.uris()) == []
    assert not list((tmp_path / "shelf" / "drafts").iterdir())


def test_an_upload_that_breaks_off_is_not_seen(
    store: FsspecArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fsspec.implementations.local import LocalFileSystem

    def half(self: LocalFileSystem, path: str, target: str, **_: object) -> None:
        content = Path(path).read_bytes()
        Path(target).write_bytes(content[: len(content) // 2])
        raise ConnectionResetError("the line is dead")

    with monkeypatch.context() as patch:
        patch.setattr(LocalFileSystem, "put_file", half)
        with pytest.raises(Exception, match="the line is dead"):
            save(np.arange(1000), store=store)
    assert [path for path in (tmp_path / "shelf").rglob("*") if path.is_file()] == []
    record = save(np.arange(1000), store=store)
    assert store.exists(record)


def test_damaged_content_is_written_again(
    store: FsspecArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = save(np.arange(1000), store=store)
    path = tmp_path / "shelf" / record.uri
    path.write_bytes(b"x" * record.size)
    other = make(tmp_path, monkeypatch, "b")
    with pytest.raises(ArtifactMissingError, match="damaged"):
        load(record, other)
    save(np.arange(1000), store=other)
    np.testing.assert_array_equal(load(record, make(tmp_path, monkeypatch, "c")), np.arange(1000))


def test_content_that_is_there_is_not_taken_away_to_be_written_again(
    store: FsspecArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in (np.arange(1000), {"a": np.arange(1000)}):
        record = save(value, store=store)
        place = tmp_path / "shelf" / record.uri
        before = {path: path.stat().st_ino for path in (place, *place.rglob("*"))}
        save(value, store=make(tmp_path, monkeypatch, "b"))
        assert {path: path.stat().st_ino for path in (place, *place.rglob("*"))} == before


class Layered(BaseMaterializer):
    """Beside its file it has a folder that is empty, as some libraries do it with what a model was given."""

    def save(self, value: int) -> None:
        (Path(self.uri) / "assets" / "more").mkdir(parents=True)
        (Path(self.uri) / "value").write_text(str(value))

    def load(self, data_type: type[int]) -> int:
        assert not list((Path(self.uri) / "assets" / "more").iterdir())
        return int((Path(self.uri) / "value").read_text())


def test_an_empty_folder_is_there_for_who_brings_the_value(
    store: FsspecArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = save(7, store=store, materializer=Layered)
    assert load(record, make(tmp_path, monkeypatch, "b")) == 7


@pytest.fixture
def connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A file system as that of SFTP is: one connection, for one request at a time, that takes no option but its own."""
    pytest.importorskip("fsspec", reason="fsspec is not installed")
    from fsspec import register_implementation
    from fsspec.implementations.local import LocalFileSystem

    state: dict[str, Any] = {"made": 0, "refuses": None, "is_full": False, "busy": threading.Lock()}

    class Connection(LocalFileSystem):  # type: ignore[misc]
        protocol = "oneline"

        def __init__(self, **given: Any) -> None:
            super().__init__(auto_mkdir=True)
            if state["refuses"]:
                raise state["refuses"]
            if set(given) - {"password"}:
                raise TypeError(f"connect() got an unexpected keyword argument in {sorted(given)}")
            state["made"] += 1
            self.is_open = True
            state["last"] = self

        def get_file(self, *args: Any, **options: Any) -> None:
            assert state["busy"].acquire(blocking=False), "another request is on its way"
            try:
                time.sleep(0.01)
                if not self.is_open:
                    raise OSError("Socket is closed")
                if state["is_full"]:
                    raise OSError(errno.ENOSPC, "No space left on device")
                super().get_file(*args, **options)
            finally:
                state["busy"].release()

    register_implementation("oneline", Connection, clobber=True)
    monkeypatch.setenv("MLX_HOME", str(tmp_path / "a"))
    attributes = {"path": f"oneline://{tmp_path}/shelf", "options": {"password": "pw"}, "retries": 1}
    component = ResolvedComponent("artifact_store", "shelf", "fsspec", attributes)
    state["store"] = FsspecArtifactStore(component, tmp_path)
    return state


def test_one_connection_is_asked_for_one_thing_at_a_time(connection: dict[str, Any]) -> None:
    store = connection["store"]
    for number in range(5):
        store.put_entry(f"cache/0{number}/0{number}", b"1")
    assert store.is_remote
    assert [slot.problem for slot in _of_store(store)] == ["it is no cache entry"] * 5


def test_a_connection_that_is_gone_is_made_again(connection: dict[str, Any]) -> None:
    store = connection["store"]
    store.put_entry("runs/x", b"1")
    connection["last"].is_open = False
    assert store.get_entry("runs/x") == b"1"
    assert connection["made"] == 2


def test_a_disk_that_is_full_here_is_not_taken_for_that_of_the_store(connection: dict[str, Any]) -> None:
    store = connection["store"]
    record = save(np.arange(1000), store=store)
    store.discard_copy(record.uri)
    connection["is_full"] = True
    with pytest.raises(ArtifactStoreError, match="no room here for a copy") as caught:
        load(record, store)
    assert "cache_size" in str(caught.value.hint)


@pytest.mark.skipif(os.name != "posix", reason="limits are of POSIX")
def test_a_disk_that_takes_no_draft_is_said_to_be_this_one(
    store: FsspecArtifactStore, tmp_path: Path
) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(ArtifactStoreError, match=f"{tmp_path}/a/.*where copies are kept: File too large"):
            save(np.arange(20_000), store=store)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_connection_that_cannot_be_made_is_named(connection: dict[str, Any], tmp_path: Path) -> None:
    store = connection["store"]
    for ask in (lambda: store.get_entry("cache/x"), lambda: list(store.at_once(store.get_entry, ["x", "y"]))):
        connection["refuses"] = ConnectionRefusedError(111, "Connection refused")
        with pytest.raises(UnreachableError, match=r"oneline://.*it does not answer \(Connection refused\)"):
            ask()
        connection["refuses"] = ftplib.error_perm("530 Login incorrect")
        with pytest.raises(ArtifactStoreError, match="530 Login incorrect"):
            ask()
    connection["refuses"] = None
    given = {"path": f"oneline://{tmp_path}/shelf", "options": {"pasword": "pw"}}
    misspelt = FsspecArtifactStore(ResolvedComponent("artifact_store", "shelf", "fsspec", given), tmp_path)
    with pytest.raises(ArtifactStoreError, match=r"cannot open: .*pasword"):
        misspelt.get_entry("x")


def test_what_a_file_system_cannot_do_is_said_and_is_no_crash(tmp_path: Path) -> None:
    pytest.importorskip("fsspec", reason="fsspec is not installed")
    from fsspec import register_implementation
    from fsspec.implementations.local import LocalFileSystem

    class ReadOnly(LocalFileSystem):  # type: ignore[misc]
        protocol = "onlyread"

        def makedirs(self, path: str, exist_ok: bool = False) -> None:
            raise NotImplementedError

    register_implementation("onlyread", ReadOnly, clobber=True)
    component = ResolvedComponent("artifact_store", "x", "fsspec", {"path": f"onlyread://{tmp_path}/x"})
    with pytest.raises(ArtifactStoreError, match="cannot write: that is not supported there"):
        FsspecArtifactStore(component, tmp_path).put_entry("cache/x", b"1")


def test_a_protocol_that_nobody_knows_is_named(tmp_path: Path) -> None:
    component = ResolvedComponent("artifact_store", "x", "fsspec", {"path": "nosuch://h/x"})
    with pytest.raises(ArtifactStoreError, match="artifact store nosuch://h/x: cannot open"):
        FsspecArtifactStore(component, tmp_path).get_entry("a")
