"""The `fsspec` flavor where writing is no single act: a plain file system behind a URL."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlxkit.artifacts.errors import ArtifactMissingError, ArtifactStoreError
from mlxkit.artifacts.io import load, save
from mlxkit.integrations.fsspec.artifact_store import FsspecArtifactStore
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
    assert other.exist(records) == [True, True]
    np.testing.assert_equal([load(record, other) for record in records], [np.arange(3), {"a": np.arange(3)}])
    assert store.put_entry("cache/x", b"1") == b"1" == other.put_entry("cache/x", b"2")
    assert list(other.entries("cache/")) == ["cache/x"]
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


def test_a_protocol_that_nobody_knows_is_named(tmp_path: Path) -> None:
    component = ResolvedComponent("artifact_store", "x", "fsspec", {"path": "nosuch://h/x"})
    with pytest.raises(ArtifactStoreError, match="artifact store nosuch://h/x: cannot open"):
        FsspecArtifactStore(component, tmp_path).get_entry("a")
