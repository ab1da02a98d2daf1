"""A user's own materializers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from mlxkit.artifacts.errors import ArtifactMissingError, UnstorableOutputError
from mlxkit.artifacts.io import load, save
from mlxkit.artifacts.materializers import BaseMaterializer
from mlxkit.integrations.local.artifact_store import LocalArtifactStore


class Thing:
    def __init__(self, name: str) -> None:
        self.name = name


class SubThing(Thing):
    pass


class ThingMaterializer(BaseMaterializer):
    """Spelled as for ZenML."""

    ASSOCIATED_TYPES = (Thing,)

    def load(self, data_type: type[Any]) -> Any:
        with self.artifact_store.open(os.path.join(self.uri, "data", "name.txt"), "r") as file:
            return data_type(file.read())

    def save(self, data: Any) -> None:
        self.artifact_store.makedirs(os.path.join(self.uri, "data"))
        with self.artifact_store.open(os.path.join(self.uri, "data", "name.txt"), "w") as file:
            file.write(data.name)

    def extract_metadata(self, data: Any) -> dict[str, Any]:
        return {"name": data.name, "object": data}


class Doubling(BaseMaterializer):
    """Not for any type: given to a step by name."""

    def load(self, data_type: type[Any]) -> Any:
        return int(Path(self.uri, "n").read_text()) // 2

    def save(self, data: Any) -> None:
        Path(self.uri, "n").write_text(str(data * 2))


class Broken(BaseMaterializer):
    def save(self, data: Any) -> None:
        Path(self.uri, "half").write_text("half")
        raise ValueError("no idea how")


class Unregistered(ThingMaterializer):
    SKIP_REGISTRATION: ClassVar[bool] = True
    ASSOCIATED_TYPES = (int,)


def test_a_registered_type_uses_its_materializer(again: Any) -> None:
    record, loaded = again(Thing("x"))
    assert loaded.name == "x"
    assert record.materializer == f"custom:{__name__}:ThingMaterializer"
    assert record.uri.endswith("/") and record.summary["name"] == "x" and "object" not in record.summary


def test_a_subclass_uses_the_materializer_of_its_nearest_base(again: Any) -> None:
    assert again(SubThing("y"))[1].name == "y"


def test_a_materializer_can_be_given_for_one_value(again: Any, store: LocalArtifactStore) -> None:
    record, loaded = again(21, materializer=Doubling)
    assert loaded == 21
    assert (store.locate(record.uri) / "files" / "n").read_text() == "42"


def test_an_unregistered_materializer_is_not_used_unasked(again: Any) -> None:
    assert again(3)[0].materializer == "json"


def test_things_in_a_container_use_their_materializer_too(again: Any) -> None:
    record, loaded = again({"things": [Thing("a"), SubThing("b")], "data": np.arange(2)})
    assert [thing.name for thing in loaded["things"]] == ["a", "b"] and type(loaded["things"][1]) is SubThing
    assert record.materializer == "composite" and "pickled" not in record.summary


def test_equal_folders_are_stored_once(store: LocalArtifactStore) -> None:
    assert save(Thing("x"), store=store) == save(Thing("x"), store=store)
    assert save(Thing("x"), store=store).digest != save(Thing("y"), store=store).digest


@pytest.mark.parametrize("spoil", ["change", "cut", "remove"])
def test_a_damaged_folder_is_missing_and_heals(spoil: str, store: LocalArtifactStore) -> None:
    record = save(Thing("name"), store=store)
    path = store.locate(record.uri) / "files" / "data" / "name.txt"
    if spoil == "remove":
        path.unlink()
    else:
        path.write_text("NAME" if spoil == "change" else "nam")
    assert store.exists(record) == (spoil == "change")
    with pytest.raises(ArtifactMissingError):
        load(record, store)
    assert load(save(Thing("name"), store=store), store).name == "name"


def test_a_materializer_that_fails_leaves_nothing_behind(store: LocalArtifactStore, files_in: Any) -> None:
    with pytest.raises(ValueError, match="no idea how"):
        save(object(), materializer=Broken, store=store)
    assert files_in() == []


def test_a_materializer_that_could_not_be_found_again_is_refused(store: LocalArtifactStore) -> None:
    class Local(Doubling):
        pass

    with pytest.raises(UnstorableOutputError, match=r"Local.*inside a function"):
        save(1, materializer=Local, store=store)


def test_a_link_is_stored_as_the_file_it_points_to(store: LocalArtifactStore, tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("w")
    Linking.target = tmp_path / "weights"
    record = save(object(), materializer=Linking, store=store)
    (tmp_path / "weights").write_text("changed since")
    stored = store.locate(record.uri) / "files" / "link"
    assert not stored.is_symlink() and stored.read_text() == "w"
    Linking.target = tmp_path
    with pytest.raises(UnstorableOutputError, match="link"):
        save(object(), materializer=Linking, store=store)


class Linking(BaseMaterializer):
    target: ClassVar[Path]

    def save(self, data: Any) -> None:
        Path(self.uri, "link").symlink_to(self.target)


class Backslash(BaseMaterializer):
    SKIP_REGISTRATION: ClassVar[bool] = True

    def save(self, data: Any) -> None:
        (Path(self.uri) / "a\\b").write_text("1")


@pytest.mark.skipif(os.name != "posix", reason="elsewhere that is a folder")
def test_a_name_that_no_reader_takes_is_refused_while_it_is_stored(store: LocalArtifactStore) -> None:
    with pytest.raises(UnstorableOutputError, match="backslash"):
        save(1, materializer=Backslash, store=store)


def test_what_user_code_wrote_becomes_private(store: LocalArtifactStore) -> None:
    record = save(Thing("x"), store=store)
    for path in [store.locate(record.uri), *store.locate(record.uri).rglob("*")]:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600)
