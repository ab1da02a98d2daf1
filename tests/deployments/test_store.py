"""What is on disk: read back whole, or said to be broken without hiding the others."""

from __future__ import annotations

import json
import stat
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from mlxkit.deployments.entries import DeploymentEntry
from mlxkit.deployments.store import BrokenDeployment, DeploymentStore
from mlxkit.errors import ConfigError, InUseError, NotFoundError


def entry(store: DeploymentStore, name: str = "iris") -> DeploymentEntry:
    folder = store.new_folder(name)
    return DeploymentEntry(
        name, "iris", 3, "iris@production", folder, "3-abcd", token="<<s.k>>", stack="team"
    )


@pytest.fixture
def store(tmp_path: Path) -> DeploymentStore:
    return DeploymentStore(tmp_path)


def test_an_entry_is_read_back_as_it_was_written(store: DeploymentStore) -> None:
    written = entry(store)
    store.write(written)
    assert store.get("iris") == written
    assert store.list() == [written]


def test_the_file_is_private_and_so_is_the_folder(store: DeploymentStore) -> None:
    store.write(entry(store))
    folder = store.folder / "iris"
    assert stat.S_IMODE((folder / "deployment.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_nothing_is_there_before_the_first_deployment(store: DeploymentStore) -> None:
    assert store.list() == []
    with pytest.raises(NotFoundError) as refused:
        store.get("iris")
    assert refused.value.hint == "mlx model deploy NAME"


def test_an_unknown_name_suggests_the_nearest(store: DeploymentStore) -> None:
    store.write(entry(store, "churn"))
    with pytest.raises(NotFoundError, match="did you mean 'churn'"):
        store.get("chrun")


@pytest.mark.parametrize("name", ["..", ".locks", "", "a/b", "/etc"])
def test_what_is_no_name_is_not_looked_for_on_disk(store: DeploymentStore, name: str) -> None:
    store.write(entry(store))
    with pytest.raises(NotFoundError):
        store.get(name)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("version", "3"),
        ("version", 0),
        ("version", True),
        ("port", 70000),
        ("files", "../../elsewhere"),
        ("files", ""),
        ("workers", 0),
        ("max_body", -1),
        ("token", 5),
        ("name", "other"),
        ("schema_version", 2),
        ("model", None),
        ("ready_within", "long"),
    ],
)
def test_a_value_that_cannot_be_is_named(store: DeploymentStore, field: str, value: object) -> None:
    store.write(entry(store))
    path = store.folder / "iris" / "deployment.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))
    with pytest.raises(ConfigError, match=field) as refused:
        store.get("iris")
    assert str(path) in refused.value.message
    assert refused.value.hint == "mlx deployment delete iris"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00", "[" * 100_000])
def test_a_broken_file_is_reported_and_the_others_are_listed(store: DeploymentStore, text: str) -> None:
    store.write(entry(store, "fine"))
    store.write(entry(store, "torn"))
    (store.folder / "torn" / "deployment.json").write_text(text)
    fine, torn = store.read_all()
    assert (fine.name, torn.name) == ("fine", "torn")
    assert isinstance(torn, BrokenDeployment)
    assert [item.name for item in store.list()] == ["fine"]


def test_a_key_of_a_later_version_is_passed_over(store: DeploymentStore) -> None:
    store.write(entry(store))
    path = store.folder / "iris" / "deployment.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "later": 1}))
    assert store.get("iris").version == 3


def test_one_that_is_being_made_is_not_listed(store: DeploymentStore) -> None:
    store.new_folder("half")
    assert store.names() == []


def test_only_the_files_that_are_served_are_kept(store: DeploymentStore) -> None:
    kept = entry(store)
    for files in ("3-abcd", "2-0000", "1-ffff"):
        (kept.folder / "models" / files).mkdir()
        (kept.folder / "models" / files / "MLmodel").touch()
    store.keep_only(kept)
    assert [path.name for path in (kept.folder / "models").iterdir()] == ["3-abcd"]


def test_two_changes_of_one_deployment_do_not_meet_and_of_two_do(store: DeploymentStore) -> None:
    seen: list[str] = []

    def other(name: str) -> None:
        try:
            with store.changing(name):
                seen.append(name)
        except InUseError as error:
            seen.append(error.message)

    with store.changing("one"):
        threads = [threading.Thread(target=other, args=(name,)) for name in ("one", "two")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(seen) == ["another command is changing deployment 'one' right now", "two"]


def test_a_failed_write_leaves_the_old_one(store: DeploymentStore, monkeypatch: pytest.MonkeyPatch) -> None:
    written = entry(store)
    store.write(written)

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(Exception, match="No space left"):
        store.write(replace(written, version=4))
    monkeypatch.undo()
    assert store.get("iris").version == 3
    assert [path.name for path in written.folder.iterdir() if path.is_file()] == ["deployment.json"]
