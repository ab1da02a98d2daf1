"""Named documents beside the content of the local store, with real processes and a real disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mlxkit.artifacts.errors import ArtifactStoreError
from mlxkit.artifacts.io import save
from mlxkit.integrations.local.artifact_store import LocalArtifactStore

NAME = "cache/ab/abcd"


def make(root: Path, path: Path | None = None) -> LocalArtifactStore:
    attributes = {} if path is None else {"path": str(path)}
    return LocalArtifactStore(SimpleNamespace(name="store", attributes=attributes), root / ".mlx")  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> LocalArtifactStore:
    return make(tmp_path)


def test_the_first_writer_of_a_name_counts(store: LocalArtifactStore) -> None:
    assert store.get_entry(NAME) is None
    assert store.put_entry(NAME, b"one") == b"one"
    assert store.put_entry(NAME, b"two") == b"one"
    assert store.get_entry(NAME) == b"one"


def test_a_deleted_document_can_be_written_again(store: LocalArtifactStore) -> None:
    store.put_entry(NAME, b"one")
    store.delete_entry(NAME)
    store.delete_entry(NAME)
    assert store.get_entry(NAME) is None
    assert store.put_entry(NAME, b"two") == b"two"


def test_names_come_in_order_and_by_their_beginning(store: LocalArtifactStore) -> None:
    assert list(store.entries("")) == []
    for name in ("cache/b/2", "cache/a/1", "cachet/1", "other"):
        store.put_entry(name, b"x")
    assert list(store.entries("")) == ["cache/a/1", "cache/b/2", "cachet/1", "other"]
    assert list(store.entries("cache/")) == ["cache/a/1", "cache/b/2"]
    assert list(store.entries("cache/b")) == ["cache/b/2"]
    assert list(store.entries("nothing/")) == []


def test_documents_are_private_and_no_content(store: LocalArtifactStore) -> None:
    record = save(np.arange(3), store=store)
    store.put_entry(NAME, b"one")
    assert list(store.uris()) == [record.uri]
    for path in store.root.rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
    assert not list((store.root / "drafts").iterdir())


@pytest.mark.parametrize(
    "name", ["", "/etc/passwd", "../up", "a/../../b", "a//b", "A", "a b", "a/.hidden", "a\n"]
)
def test_what_is_no_name_is_refused(store: LocalArtifactStore, name: str) -> None:
    for ask in (store.get_entry, store.delete_entry, lambda name: store.put_entry(name, b"x")):
        with pytest.raises(ValueError, match="not the name of an entry"):
            ask(name)


def test_shared_is_what_lies_outside_of_the_state_folder(tmp_path: Path) -> None:
    assert not make(tmp_path).is_shared
    assert not make(tmp_path, tmp_path / ".mlx" / "mine").is_shared
    assert make(tmp_path, tmp_path / "lake").is_shared
    assert not make(tmp_path, tmp_path / "lake").is_remote


WRITER = """
import sys
from pathlib import Path
from types import SimpleNamespace
from mlxkit.integrations.local.artifact_store import LocalArtifactStore

root, who = Path(sys.argv[1]), sys.argv[2].encode()
store = LocalArtifactStore(SimpleNamespace(name="store", attributes={}), root)
sys.stdout.write("ready\\n"); sys.stdout.flush(); sys.stdin.readline()
print(*(store.put_entry(f"cache/{n}", who * 2000)[:1].decode() for n in range(100)), sep="")
"""


def test_writers_at_once_agree_on_every_document(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), who],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for who in "abc"
    ]  # fmt: skip
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    said = {writer.communicate(timeout=60)[0].strip() for writer in writers}
    assert len(said) == 1
    assert len(said.pop()) == 100


def test_a_writer_that_is_killed_leaves_no_half_of_a_document(tmp_path: Path) -> None:
    program = WRITER.replace("store.put_entry(f", "os.kill(os.getpid(), 9) if n == 50 else store.put_entry(f")
    writer = subprocess.Popen(
        [sys.executable, "-c", "import os\n" + program, str(tmp_path), "a"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    writer.communicate("go\n", timeout=60)
    assert writer.returncode == -signal.SIGKILL
    store = LocalArtifactStore(SimpleNamespace(name="store", attributes={}), tmp_path)  # type: ignore[arg-type]
    found = {name: store.get_entry(name) for name in store.entries("cache/")}
    assert len(found) == 50
    assert set(found.values()) == {b"a" * 2000}


def test_a_file_system_without_links_has_a_first_writer_too(
    store: LocalArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    assert store.put_entry(NAME, b"one") == b"one"
    assert store.put_entry(NAME, b"two") == b"one"


def test_a_store_that_is_no_folder_says_so(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("a file")
    with pytest.raises(ArtifactStoreError, match="cannot write to artifact store"):
        make(tmp_path, tmp_path / "lake").put_entry(NAME, b"one")


def odd_things(path: Path) -> dict[str, object]:
    def loop() -> None:
        path.symlink_to(path)

    return {
        "pipe": lambda: os.mkfifo(path), "loop": loop, "folder": path.mkdir,
        "full": lambda: (path / "x").mkdir(parents=True), "nothing": lambda: path.symlink_to("/nowhere/at/all"),
    }  # fmt: skip


@pytest.mark.skipif(os.name != "posix", reason="pipes are of POSIX")
@pytest.mark.parametrize("kind", ["pipe", "loop", "folder", "full", "nothing"])
def test_what_is_no_document_is_an_error_at_its_name_and_hangs_nobody(
    kind: str, store: LocalArtifactStore
) -> None:
    store.put_entry("cache/ab/abce", b"1")
    path = store.root / "entries" / NAME
    odd_things(path)[kind]()  # type: ignore[operator]
    for ask in (lambda: store.get_entry(NAME), lambda: store.put_entry(NAME, b"1")):
        with pytest.raises(ArtifactStoreError, match="cannot"):
            ask()
    assert store.get_entry("cache/ab/abce") == b"1"
    assert "cache/ab/abce" in list(store.entries("cache/"))
    store.delete_entry(NAME)
    if kind != "full":
        assert store.put_entry(NAME, b"1") == b"1"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be somebody else")
def test_who_may_only_read_is_told_so_when_a_document_is_to_go(store: LocalArtifactStore) -> None:
    store.put_entry(NAME, b"1")
    for path in (store.root.parent, *store.root.parents[1:5], *store.root.rglob("*"), store.root):
        path.chmod(path.stat().st_mode | 0o055)
    os.seteuid(65534)
    try:
        with pytest.raises(ArtifactStoreError, match=f"cannot delete {NAME} in .*: Permission denied"):
            store.delete_entry(NAME)
    finally:
        os.seteuid(0)
    assert store.get_entry(NAME) == b"1"


def test_links_to_folders_are_not_followed(store: LocalArtifactStore) -> None:
    store.put_entry(NAME, b"1")
    (store.root / "entries" / "cache" / "up").symlink_to(store.root / "entries")
    assert list(store.entries("")) == [NAME, "cache/up"]
