"""What somebody who can write to a shared store puts there: it runs nothing, reads nothing else, and is one clear error."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pydantic
import pytest

from mlxkit.artifacts import folders, io, plain
from mlxkit.artifacts.errors import ArtifactMissingError, ArtifactUnreadableError, UntrustedCodeError
from mlxkit.artifacts.hashing import file_digest, tag_of
from mlxkit.artifacts.io import load, save
from mlxkit.artifacts.opening import open_safely
from mlxkit.artifacts.records import ArtifactRecord
from mlxkit.artifacts.store import uri_of
from mlxkit.artifacts.trust import mark
from mlxkit.integrations.local.artifact_store import LocalArtifactStore as Store

HERE = __name__
ran: list[str] = []


@dataclass
class Fields:
    x: int = 0

    @property
    def trap(self) -> int:
        return 1

    @trap.setter
    def trap(self, value: int) -> None:
        ran.append("setter")


@dataclass
class Closing:
    x: int = 0

    def __del__(self) -> None:
        ran.append("del")


class Pair(NamedTuple):
    a: int
    b: int


class OtherPair(Pair):
    @classmethod
    def _make(cls, iterable: Any) -> Any:
        ran.append("make")
        return ()


class Restoring(pydantic.BaseModel):
    x: int = 0

    def __setstate__(self, state: dict[Any, Any]) -> None:
        ran.append("setstate")
        super().__setstate__(state)


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


def forged(content: object, materializer: str = "json") -> ArtifactRecord:
    """A small value of somebody else, whole by its digest."""
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return ArtifactRecord(
        io.inline_digest(text, materializer), materializer, "dict", len(text), "", text, mark({}, "eve@host", "r1")
    )  # fmt: skip


@pytest.fixture
def composite(store: Store) -> Callable[..., ArtifactRecord]:
    """Make a container of somebody else's from its JSON, its files, and a manifest that can be given."""

    def make(value: object, manifest: str | None = None, **files: bytes) -> ArtifactRecord:
        with store.draft() as draft:
            content = draft / "content"
            (content / "files").mkdir(parents=True)
            for name, given in {"value.json": json.dumps(value).encode(), **files}.items():
                (content / "files" / name).write_bytes(given)
            tag = tag_of(io.COMPOSITE)
            digest, size = folders.write_manifest(content, tag, {})
            if manifest is not None:
                (content / "manifest.json").write_text(manifest)
                digest = file_digest(content / "manifest.json", tag)
            uri = uri_of(digest, is_folder=True)
            store.commit(content, uri)
        return ArtifactRecord(digest, io.COMPOSITE, "dict", size, uri, None, mark({}, "eve@host", "r1"))

    return make


def test_json_cannot_make_an_object_of_any_class_that_has_attributes(store: Store, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.touch()
    inner = {"$": "dataclass", "c": "tempfile:_TemporaryFileCloser", "v": {"close_called": True}}
    fields = {"file": inner, "name": str(victim), "delete": True, "close_called": False}
    evil = {"$": "dataclass", "c": "tempfile:_TemporaryFileCloser", "v": fields}
    with pytest.raises(ArtifactUnreadableError, match="and it is none"):
        load(forged(evil), store)
    with pytest.raises(ArtifactUnreadableError, match="and it is none"):
        plain.loads(json.dumps(evil))  # whoever wrote it
    assert victim.exists()


def test_json_sets_fields_and_no_properties(store: Store) -> None:
    value = load(forged({"$": "dataclass", "c": f"{HERE}:Fields", "v": {"x": 3, "trap": 4}}), store)
    assert type(value) is Fields and value.x == 3 and ran == []


def test_json_cannot_make_a_named_tuple_by_a_method_of_the_class(store: Store) -> None:
    good = {"$": "namedtuple", "c": f"{HERE}:Pair", "v": [1, 2]}
    assert load(forged(good), store) == Pair(1, 2)
    for evil in ({**good, "c": f"{HERE}:OtherPair"}, {**good, "v": [1]}):
        with pytest.raises(ArtifactUnreadableError):
            load(forged(evil), store)
    assert ran == []


@pytest.mark.parametrize(
    "evil",
    [
        {"$": "dataclass", "c": f"{HERE}:Closing", "v": {"x": 1}},
        {"$": "pydantic", "c": f"{HERE}:Restoring", "v": {"__dict__": {"x": 1}}},
    ],
)
def test_methods_of_a_class_are_not_run_for_what_somebody_else_wrote(
    evil: dict[str, Any], store: Store
) -> None:
    record = forged(evil)
    with pytest.raises(UntrustedCodeError, match=r"written by eve@host.*whose own __\w+__\(\) it would run"):
        load(record, store)
    assert ran == []
    own = ArtifactRecord(**{**record.__dict__, "summary": {}})
    assert load(own, store).x in (0, 1)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module of the project that does something when it is imported: `module()` says whether it was."""
    (tmp_path / "deploy_forged.py").write_text(
        "from dataclasses import dataclass\nfrom pathlib import Path\n"
        f"Path({str(tmp_path / 'imported')!r}).touch()\n@dataclass\nclass X:\n    x: int = 0\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield (tmp_path / "imported").exists
    sys.modules.pop("deploy_forged", None)


def test_json_of_somebody_else_imports_nothing(module: Callable[[], bool], store: Store) -> None:
    record = forged({"$": "dataclass", "c": "deploy_forged:X", "v": {"x": 1}})
    with pytest.raises(
        UntrustedCodeError, match="class 'deploy_forged:X', whose module this program has not"
    ):
        load(record, store)
    assert not module()
    store.trusts_code = True
    assert load(record, store).x == 1


def test_what_was_imported_already_is_used(module: Callable[[], bool], store: Store) -> None:
    import deploy_forged  # type: ignore[import-not-found]

    value = load(forged({"$": "dataclass", "c": "deploy_forged:X", "v": {"x": 1}}), store, declared=None)
    assert type(value) is deploy_forged.X


def test_ones_own_json_imports_what_it_names(module: Callable[[], bool], store: Store) -> None:
    record = forged({"$": "dataclass", "c": "deploy_forged:X", "v": {"x": 1}})
    assert load(ArtifactRecord(**{**record.__dict__, "summary": {}}), store).x == 1 and module()


@pytest.mark.parametrize("is_inside", [False, True], ids=["frame", "container"])
def test_a_frame_of_somebody_else_imports_nothing(
    is_inside: bool, module: Callable[[], bool], store: Store
) -> None:
    import deploy_forged

    frame = pd.DataFrame({"a": [1]})
    frame.attrs["x"] = deploy_forged.X(1)
    record = save({"f": frame} if is_inside else frame, store=store)
    assert record.materializer == ("composite" if is_inside else "pandas")
    del sys.modules["deploy_forged"]
    with pytest.raises(UntrustedCodeError, match="deploy_forged:X"):
        load(ArtifactRecord(**{**record.__dict__, "summary": mark({}, "eve@host", "r1")}), store)
    assert "deploy_forged" not in sys.modules
    again = load(record, store)
    assert (again["f"] if is_inside else again).attrs["x"].x == 1


@pytest.mark.parametrize("at", ["{}/private.npy", "../../../../private.npy", "missing.npy", 5, ["a"]])
def test_a_container_cannot_name_a_file_outside_of_it(
    at: Any, composite: Callable[..., ArtifactRecord], store: Store, tmp_path: Path
) -> None:
    np.save(tmp_path / "private.npy", np.arange(5))
    store.root.mkdir(parents=True)
    np.save(store.root.parent / "private.npy", np.arange(5))
    at = at.format(tmp_path) if isinstance(at, str) else at
    record = composite({"a": {"$": "leaf", "format": "npy", "at": at}})
    for read in (load, open_safely):
        with pytest.raises(ArtifactUnreadableError):
            read(record, store)


def test_the_folder_of_a_part_with_a_materializer_is_inside_of_the_container(
    composite: Callable[..., ArtifactRecord], store: Store, tmp_path: Path
) -> None:
    store.trusts_code = True
    for at in (str(tmp_path), "../../..", "..", ""):
        record = composite({"a": {"$": "leaf", "custom": f"{HERE}:Fields", "type": "x", "at": at}})
        with pytest.raises(ArtifactUnreadableError, match="names a part"):
            load(record, store)


@pytest.mark.parametrize(
    "manifest",
    [
        "[]", "nope", '{"files":5}', '{"files":[[1,2]]}', '{"files":[["a",-1,"x"]]}', '{"files":[["a",1e999,"x"]]}',
        '{"files":[["../../../private.npy",168,"x"]]}', '{"files":[["/etc/hosts",1,"x"]]}', '{"files":[["\\ud800",1,"x"]]}',
        "[" * 100_000,
    ],
)  # fmt: skip
def test_a_manifest_that_was_made_up_is_damaged(
    manifest: str, composite: Callable[..., ArtifactRecord], store: Store
) -> None:
    store.root.mkdir(parents=True)
    np.save(store.root / "private.npy", np.arange(5))
    with pytest.raises(ArtifactMissingError, match="damaged: its manifest"):
        load(composite({}, manifest), store)


def test_a_link_in_a_container_is_not_followed(
    composite: Callable[..., ArtifactRecord], store: Store, tmp_path: Path
) -> None:
    np.save(tmp_path / "private.npy", np.arange(5))
    content = (tmp_path / "private.npy").read_bytes()
    record = composite({"a": {"$": "leaf", "format": "npy", "at": "0.npy"}}, **{"0.npy": content})
    assert load(record, store)["a"].tolist() == [0, 1, 2, 3, 4]
    path = store.root / record.uri / "files" / "0.npy"
    path.unlink()
    path.symlink_to(tmp_path / "private.npy")
    with pytest.raises(ArtifactMissingError, match="damaged"):
        load(record, store)


@pytest.mark.parametrize("content", [b"[1,", b"just text", b'{"$":"set","v":[[]]}', b"[" * 4000, b'{"$":5}'])
def test_a_small_value_that_is_none_says_who_wrote_it_and_the_way_out(content: bytes, store: Store) -> None:
    with pytest.raises(ArtifactUnreadableError) as caught:
        load(forged(content), store)
    assert caught.value.hint is None or (
        "eve@host" in caught.value.hint and "--no-cache" in caught.value.hint
    )
