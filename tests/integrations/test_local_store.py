"""The local artifact store, with real processes and a real disk."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.testing  # before a test becomes another user
import pytest

from mlxkit.artifacts.errors import ArtifactMissingError, ArtifactStoreError
from mlxkit.artifacts.io import load, save
from mlxkit.artifacts.records import ArtifactRecord
from mlxkit.artifacts.store import uri_of
from mlxkit.integrations.local.artifact_store import LocalArtifactStore


def make(state_dir: Path, **attributes: Any) -> LocalArtifactStore:
    return LocalArtifactStore(SimpleNamespace(name="store", attributes=attributes), state_dir)  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> LocalArtifactStore:
    return make(tmp_path / ".mlx")


def files_of(store: LocalArtifactStore) -> list[Path]:
    return sorted(path for path in store.root.rglob("*") if path.is_file())


def test_nothing_is_created_before_something_is_stored(store: LocalArtifactStore) -> None:
    assert list(store.uris()) == []
    assert not store.exists(ArtifactRecord("a" * 64, "npy", "x", 1, uri_of("a" * 64, is_folder=False)))
    assert not store.root.exists()


def test_everything_in_the_store_is_private(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        store = make(tmp_path / "deep" / ".mlx")
        for value in (np.arange(3), {"a": np.arange(3)}, "x" * 9999, [object()]):
            save(value, store=store)
    finally:
        os.umask(mask)
    for path in [store.root, *store.root.rglob("*")]:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_content_is_where_its_digest_says(store: LocalArtifactStore) -> None:
    record = save(np.arange(3), store=store)
    assert files_of(store) == [store.root / record.digest[:2] / record.digest]
    folder = save({"a": np.arange(3)}, store=store)
    assert sorted(store.uris()) == sorted(
        [f"{record.digest[:2]}/{record.digest}", f"{folder.digest[:2]}/{folder.digest}/"]
    )


def test_a_key_that_points_outside_is_refused(store: LocalArtifactStore) -> None:
    for uri in ("../../etc/passwd", "ab/../../x", "/etc/passwd", "ab/cd", "", "drafts/x"):
        with pytest.raises(ArtifactMissingError):
            store.locate(uri)
        with pytest.raises(ArtifactMissingError):
            store.delete(uri)


def test_deleting_is_final_and_can_be_repeated(store: LocalArtifactStore) -> None:
    for value in (np.arange(3), {"a": np.arange(3)}):
        record = save(value, store=store)
        store.delete(record.uri)
        store.delete(record.uri)
        assert not store.exists(record)
    assert files_of(store) == []


@pytest.mark.parametrize("spelling", ["absolute", "relative", "url", "home", "secret"])
def test_the_path_attribute_says_where(spelling: str, tmp_path: Path, home: Path) -> None:
    from mlxkit.secrets.value import SecretValue

    place = tmp_path / "a store"
    spellings: dict[str, tuple[Any, Path]] = {
        "absolute": (str(place), place),
        "relative": ("here", tmp_path / "here"),
        "url": (place.as_uri(), place),
        "home": ("~/artifacts", home / "artifacts"),
        "secret": (SecretValue(str(place)), place),
    }
    path, expected = spellings[spelling]
    store = make(tmp_path / ".mlx", path=path)
    save(np.arange(3), store=store)
    assert store.root == expected and len(files_of(store)) == 1


def test_a_store_that_is_deleted_under_a_running_program_is_made_again(store: LocalArtifactStore) -> None:
    import shutil

    save(np.arange(3), store=store)
    shutil.rmtree(store.root)
    assert load(save(np.arange(4), store=store), store).tolist() == [0, 1, 2, 3]


_WRITER = """
import sys
from pathlib import Path
from types import SimpleNamespace
import numpy as np
from mlxkit.artifacts.io import load, save
from mlxkit.integrations.local.artifact_store import LocalArtifactStore
store = LocalArtifactStore(SimpleNamespace(name="store", attributes={}), Path(sys.argv[1]))
value = np.arange(200_000)
for _ in range(20):
    for item in (value, {"a": value, "b": [value[:9]]}):
        loaded = load(save(item, store=store), store, verify=True)
"""


def test_writers_and_readers_of_one_value_agree(store: LocalArtifactStore) -> None:
    command = [sys.executable, "-c", _WRITER, str(store.root.parent)]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    for process in running:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert len(list(store.uris())) == 2
    assert list((store.root / "drafts").iterdir()) == []


_ENDLESS = """
import sys
from pathlib import Path
from types import SimpleNamespace
import numpy as np
from mlxkit.artifacts.io import save
from mlxkit.integrations.local.artifact_store import LocalArtifactStore
store = LocalArtifactStore(SimpleNamespace(name="store", attributes={}), Path(sys.argv[1]))
value = np.zeros(3_000_000)
print("ready", flush=True)
for number in range(10_000):
    value[0] = number
    save(value, store=store)
    save({"n": number, "x": value}, store=store)
"""


def test_a_writer_that_is_killed_leaves_whole_values_and_a_draft_that_is_swept(
    store: LocalArtifactStore,
) -> None:
    left_behind = 0
    for attempt in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", _ENDLESS, str(store.root.parent)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        time.sleep(0.05 + 0.037 * attempt)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        left_behind += len(list((store.root / "drafts").iterdir()))
    for uri in store.uris():
        digest = uri.split("/")[1]
        path = store.locate(uri)
        size = (
            sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
            if path.is_dir()
            else path.stat().st_size
        )
        name = "composite" if path.is_dir() else "npy"
        load(ArtifactRecord(digest, name, "x", size, uri), store, verify=True)
    assert left_behind > 0, "no kill hit a write: make the value larger"
    for draft in (store.root / "drafts").iterdir():
        for path in (*draft.rglob("*"), draft):
            os.utime(path, (0, time.time() - 120))
    save(np.arange(3), store=make(store.root.parent))
    assert list((store.root / "drafts").iterdir()) == []


def test_a_draft_of_a_living_process_is_not_swept(store: LocalArtifactStore) -> None:
    with store.draft() as folder:
        (folder / "half").write_text("half")
        os.utime(folder / "half", (0, time.time() - 3600))
        os.utime(folder, (0, time.time() - 3600))
        assert make(store.root.parent).sweep() == 0
        assert (folder / "half").exists()
    assert not folder.exists()


def test_a_draft_of_another_machine_is_swept_after_a_day(store: LocalArtifactStore) -> None:
    save(np.arange(3), store=store)
    names = [f"else.where.1.{letter * 12}" for letter in "abc"]
    for name, age in zip(names, (3600, 90_000, 90_000), strict=True):
        folder = store.root / "drafts" / name
        folder.mkdir()
        os.utime(folder, (0, time.time() - age))
    assert store.sweep() == 2
    assert [path.name for path in (store.root / "drafts").iterdir()] == names[:1]


def test_a_store_among_other_files_takes_none_of_them_for_its_own(tmp_path: Path) -> None:
    letters, numbers = tmp_path / "drafts" / "letters", tmp_path / "us" / "usa2025"
    for folder in (letters, numbers):
        folder.mkdir(parents=True)
        (folder / "kept.txt").write_text("mine")
    for path in (*tmp_path.rglob("*"), tmp_path):
        os.utime(path, (1, 1))
    store = make(tmp_path / "project" / ".mlx", path=str(tmp_path))
    record = save(np.arange(3), store=store)
    assert store.sweep() == 0 and list(store.uris()) == [record.uri]
    with pytest.raises(ArtifactMissingError):
        store.delete("us/usa2025/")
    assert (letters / "kept.txt").exists() and (numbers / "kept.txt").exists()


@pytest.mark.skipif(os.name != "posix", reason="elsewhere not everybody may make a link")
@pytest.mark.parametrize("inner", ["", "files"])
def test_a_link_in_the_place_of_a_folder_is_not_written_through(inner: str, tmp_path: Path) -> None:
    store = make(tmp_path / ".mlx")
    record = save({"a": np.arange(3)}, store=store)
    elsewhere, place = tmp_path / "elsewhere", store.root / record.uri / inner
    place.rename(elsewhere)
    before = {path: path.stat().st_ino for path in elsewhere.rglob("*")}
    place.symlink_to(elsewhere)
    with pytest.raises(ArtifactStoreError, match="cannot write"):
        save({"a": np.arange(3)}, store=store)
    assert {path: path.stat().st_ino for path in elsewhere.rglob("*")} == before


def test_a_reader_keeps_its_array_when_the_value_is_written_again_or_deleted(
    store: LocalArtifactStore,
) -> None:
    record = save(np.arange(100_000), store=store)
    array = load(record, store)
    save(np.arange(100_000), store=store)
    store.delete(record.uri)
    assert array[-1] == 99_999


def test_a_folder_takes_the_place_of_one_that_was_deleted_in_that_moment(
    store: LocalArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, refused = Path.rename, []

    def rename_later(path: Path, target: Path) -> Path:
        if path.name == "content" and not refused:
            refused.append(target)
            raise OSError(errno.ENOTEMPTY, "Directory not empty")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", rename_later)
    record = save({"a": np.arange(3)}, store=store)
    assert len(refused) == 1 and load(record, store)["a"].tolist() == [0, 1, 2]


def modes(root: Path) -> set[tuple[bool, int]]:
    return {(path.is_dir(), path.stat().st_mode & 0o7777) for path in root.rglob("*")}


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
@pytest.mark.parametrize(
    ("mode", "folder", "file"), [(0o2770, 0o2770, 0o660), (0o755, 0o755, 0o644), (0o700, 0o700, 0o600)]
)
def test_what_lies_in_a_shared_folder_is_open_to_whom_the_folder_is(
    mode: int, folder: int, file: int, tmp_path: Path
) -> None:
    root = tmp_path / "lake"
    root.mkdir()
    root.chmod(mode)
    store = make(tmp_path / "ada" / ".mlx", path=str(root))
    for value in (np.arange(3), {"a": np.arange(3), "b": [1]}):
        save(value, store=store)
    store.put_entry("cache/ab/abcd", b"1")
    assert modes(root) == {(True, folder), (False, file)}


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
def test_a_shared_folder_that_is_made_is_private_unless_the_one_above_hands_its_group_on(
    tmp_path: Path,
) -> None:
    (tmp_path / "team").mkdir()
    for above, expected in ((0o777, 0o700), (0o2770, 0o2770)):
        (tmp_path / "team").chmod(above)
        root = tmp_path / "team" / f"lake{expected}"
        save(np.arange(3), store=make(tmp_path / "ada" / ".mlx", path=str(root)))
        assert root.stat().st_mode & 0o7777 == expected


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be two users")
def test_two_users_of_a_shared_folder_write_read_and_remove_what_the_other_made(tmp_path: Path) -> None:
    root, group = tmp_path / "lake", 54321
    root.mkdir()
    os.chown(root, 0, group)
    root.chmod(0o2770)
    for path in (tmp_path, *tmp_path.parents[:3]):
        path.chmod(path.stat().st_mode | 0o011)
    values = [np.arange(3), {"a": np.arange(3)}]

    def as_user(user: int, own: int) -> None:
        os.umask(0o077)
        os.setgroups([group])
        os.setegid(user)
        os.seteuid(user)
        store = make(tmp_path / f"nowhere{user}" / ".mlx", path=str(root))
        for number, value in enumerate(values):
            record = save(value, store=store)
            np.testing.assert_equal(load(record, store), value)
            assert number or store.put_entry("cache/ab/abcd", str(own).encode()) == b"1"
        mine = save(np.full(9, own), store=store)
        assert store.put_entry(f"cache/ab/{own}", b"x") == b"x"
        if own == 2:
            for uri in store.uris():
                if uri != mine.uri:
                    store.delete(uri)
            store.delete_entry("cache/ab/1")
            assert list(store.uris()) == [mine.uri]

    for user, own in ((54001, 1), (54002, 2)):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                as_user(user, own)
                status = 0
            except BaseException:
                import traceback

                traceback.print_exc()
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0


@pytest.mark.skipif(os.name != "posix", reason="processes are asked as on POSIX")
def test_a_file_among_the_drafts_keeps_none_from_being_swept(tmp_path: Path) -> None:
    store = make(tmp_path / ".mlx")
    save(np.arange(3), store=store)
    drafts = store.root / "drafts"
    (drafts / "entries.lock").touch()
    for name in ("a.1.aaaaaaaaaaaa", "z.1.aaaaaaaaaaaa"):
        (drafts / name).mkdir()
        os.utime(drafts / name, (1, 1))
    assert store.sweep() == 2
