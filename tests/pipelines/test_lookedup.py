"""An artifact that the body looked up and hands to a step: it arrives as its value, and is known by its digest."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlxkit import Client, Model, pipeline, save_artifact, step
from mlxkit.artifacts.errors import ArtifactMissingError, ArtifactStoreError
from mlxkit.artifacts.io import save
from mlxkit.artifacts.materializers.base import BaseMaterializer
from mlxkit.errors import UsageError
from mlxkit.integrations.local.artifact_store import LocalArtifactStore
from mlxkit.pipelines.named import get_artifact
from mlxkit.pipelines.session import RunOptions, Session, use_session
from mlxkit.runs.records import output_of
from mlxkit.runs.views import ArtifactView, Origin
from mlxkit.stacks.resolve import ResolvedComponent


@pytest.fixture(autouse=True)
def session(mlx: Callable[..., Any]) -> Iterator[Session]:
    assert mlx("init").code == 0
    with use_session(Session(RunOptions(file=Path("run.py")))) as one:
        yield one


@step
def make(n: int) -> list[int]:
    save_artifact({"n": n}, "side")
    return [n]


@step
def kind_of(given: Any) -> str:
    return f"{type(given).__name__} {given!r}"


@step
def size_of(given: dict[str, list[int]]) -> int:
    return len(given["n"])


def test_it_arrives_as_its_value_from_this_run_and_from_others() -> None:
    @pipeline
    def here(n: int) -> None:
        make(n)
        kind_of(get_artifact("side"))

    @pipeline
    def elsewhere() -> None:
        kind_of(Client().get_artifact("make::side"))

    first = here(3)
    assert first.steps["kind_of"].output.load() == "dict {'n': 3}"
    given = first.steps["kind_of"].record.inputs["given"]
    assert (given["from"], given["step"]) == ("make.side", "make")
    other = elsewhere()
    assert other.steps["kind_of"].output.load() == "dict {'n': 3}"
    given = other.steps["kind_of"].record.inputs["given"]
    assert (given["from"], given["step"]) == (f"{first.id}:make::side", "")
    assert given["digest"] == first.steps["make"].outputs["side"].digest


def test_its_content_takes_part_in_the_cache() -> None:
    @pipeline
    def looking() -> None:
        kind_of(get_artifact("thing"))

    statuses = []
    for value in (1, 1, 2):
        save_artifact(value, "thing")
        statuses.append(looking().steps["kind_of"].status)
    assert statuses == ["completed", "cached", "completed"]
    assert looking().steps["kind_of"].output.load() == "int 2"


def test_it_is_found_inside_lists_and_dicts_and_not_in_sets() -> None:
    one, two = save_artifact(1, "one"), save_artifact([2], "two")

    @pipeline
    def looking(form: str) -> None:
        kind_of({"list": [one, {"two": two}], "set": {one}}[form])

    assert looking("list").steps["kind_of"].output.load() == "list [1, {'two': [2]}]"
    with pytest.raises(UsageError, match="a set cannot hold"):
        looking("set")


def test_an_artifact_of_a_model_or_of_an_earlier_run_arrives_as_its_value() -> None:
    model = Model("iris")

    @pipeline(model=model)
    def training() -> None:
        make(7)

    @pipeline
    def using() -> None:
        kind_of(model.get_artifact("side"), id="of_model")
        kind_of(Client().get_pipeline("training").last_run.steps["make"].output, id="of_run")

    run = training()
    used = using()
    assert used.steps["of_model"].output.load() == "dict {'n': 7}"
    assert used.steps["of_run"].output.load() == "list [7]"
    assert used.steps["of_run"].record.inputs["given"]["from"] == f"{run.id}:make::output"


def test_what_lies_in_another_store_is_brought_to_this_one(tmp_path: Path) -> None:
    other = LocalArtifactStore(ResolvedComponent("artifact_store", "far", "local", {}), tmp_path / "other")
    record = output_of("far", save({"n": list(range(50_000))}, store=other))

    @pipeline
    def looking() -> None:
        size_of(ArtifactView(record, other, origin=Origin("run1", "make")))

    found = looking().steps["size_of"]
    assert found.output.load() == 50_000
    given = found.record.inputs["given"]
    assert (given["digest"], given["from"]) == (record.digest, "run1:make::far")


class Grid:
    """What no format here is made for."""

    def __init__(self, rows: list[int]) -> None:
        self.rows = rows


class GridFiles(BaseMaterializer):
    """Keeps a grid in two folders, and counts how often one is read."""

    SKIP_REGISTRATION = True
    reads = 0

    def save(self, data: Grid) -> None:
        inner = Path(self.uri) / "inner"
        inner.mkdir()
        (inner / "rows").write_text(" ".join(map(str, data.rows)))

    def load(self, data_type: type[Grid]) -> Grid:
        GridFiles.reads += 1
        return data_type([int(word) for word in (Path(self.uri) / "inner" / "rows").read_text().split()])


@step
def rows_of(given: Grid) -> list[int]:
    return given.rows


@pytest.fixture
def far(tmp_path: Path) -> LocalArtifactStore:
    return LocalArtifactStore(ResolvedComponent("artifact_store", "far", "local", {}), tmp_path / "other")


def test_what_is_brought_is_new_and_for_its_owner_only(session: Session, far: LocalArtifactStore) -> None:
    for value, materializer in ((b"far" * 5000, None), (Grid([1]), GridFiles)):
        record = output_of("far", save(value, materializer=materializer, store=far))
        os.utime(far.locate(record.uri), (1, 1))
        ArtifactView(record, far).bring_to(session.store)
        place = session.store.locate(record.uri)
        assert place.stat().st_mtime > 1  # a pruning leaves what is new
        for path in (place, *place.rglob("*")):
            assert path.stat().st_mode & 0o077 == 0, path


def test_it_is_brought_over_as_it_is_and_read_by_the_step_alone(
    session: Session, far: LocalArtifactStore
) -> None:
    record = output_of("far", save(Grid([1, 2]), materializer=GridFiles, store=far))
    before = GridFiles.reads

    @pipeline
    def looking() -> None:
        rows_of(ArtifactView(record, far, origin=Origin("run1", "make")))

    found = looking().steps["rows_of"]
    assert found.output.load() == [1, 2]
    assert found.record.inputs["given"]["digest"] == record.digest
    assert GridFiles.reads == before + 1
    assert record.uri in list(session.store.uris())
    assert list(far.uris()) == [record.uri]


def test_a_dry_run_brings_nothing(far: LocalArtifactStore) -> None:
    record = output_of("far", save(b"far" * 5000, store=far))

    @pipeline
    def looking() -> None:
        kind_of(ArtifactView(record, far, origin=Origin("run1", "make")))

    with use_session(Session(RunOptions(is_dry=True))) as dry:
        assert [item.action for item in looking().steps] == ["run"]
        assert list(dry.store.uris()) == []


def test_what_cannot_be_brought_is_told(session: Session, far: LocalArtifactStore) -> None:
    record = output_of("far", save(b"far" * 5000, store=far))

    @pipeline
    def looking() -> None:
        kind_of(ArtifactView(record, far, origin=Origin("run1", "make")))

    place = Path(session.store.location, record.uri.partition("/")[0])
    place.parent.mkdir(exist_ok=True)
    place.write_text("in the way")
    with pytest.raises(ArtifactStoreError, match=f"artifact {record.digest[:12]} cannot be brought from"):
        looking()
    far.delete(record.uri)
    with pytest.raises(ArtifactMissingError, match="is not in the artifact store"):
        looking()
