"""Containers that hold arrays, tables and models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from mlxkit.artifacts.errors import ArtifactMissingError
from mlxkit.artifacts.io import load, save
from mlxkit.integrations.local.artifact_store import LocalArtifactStore


@dataclass
class Split:
    x: np.ndarray[Any, Any]
    y: np.ndarray[Any, Any]
    name: str = "train"


def test_a_nesting_of_everything_comes_back(again: Any) -> None:
    value = {
        "arrays": [np.arange(3), (np.ones((2, 2)), np.array(["a"], dtype=object))],
        "frame": pd.DataFrame({"a": [1]}, index=["k"]),
        "odd frame": pd.DataFrame({"a": [1, "x"]}),
        "model": LogisticRegression(C=3),
        ("tuple", "key"): {1, 2},
        "none": None,
    }
    record, loaded = again(value)
    assert (
        record.materializer == "composite"
        and record.summary["pickled"]
        and record.summary["keys"][0] == "arrays"
    )
    assert list(loaded) == list(value) and type(loaded["arrays"][1]) is tuple
    np.testing.assert_array_equal(loaded["arrays"][1][0], np.ones((2, 2)))
    assert loaded["arrays"][1][1].dtype == object
    pd.testing.assert_frame_equal(loaded["frame"], value["frame"])
    pd.testing.assert_frame_equal(loaded["odd frame"], value["odd frame"])
    assert loaded["model"].C == 3 and loaded[("tuple", "key")] == {1, 2} and loaded["none"] is None


def test_a_container_of_arrays_needs_no_pickle(again: Any) -> None:
    record, loaded = again((np.arange(3), np.arange(4)))
    assert "pickled" not in record.summary and record.summary["length"] == 2
    assert [array.tolist() for array in loaded] == [[0, 1, 2], [0, 1, 2, 3]]
    assert not any(array.flags.writeable for array in loaded)


def test_a_dataclass_of_arrays_comes_back(again: Any) -> None:
    record, loaded = again(Split(np.arange(3), np.zeros(3)))
    assert record.materializer == "composite"
    assert loaded.name == "train" and loaded.x.tolist() == [0, 1, 2]


def test_many_small_arrays_are_one_file(again: Any, files_in: Any) -> None:
    _, loaded = again([np.full(3, i) for i in range(3000)])
    assert len(files_in()) == 3  # manifest, value, arrays
    assert all(array.tolist() == [i] * 3 for i, array in enumerate(loaded))


def test_one_array_twice_is_written_once_and_is_one_array_again(again: Any) -> None:
    array = np.arange(10_000)
    record, loaded = again({"a": array, "b": [array]})
    assert record.size < 1.5 * array.nbytes
    assert loaded["a"] is loaded["b"][0]


def test_an_object_that_is_shared_by_two_parts_stays_shared(again: Any) -> None:
    model = LogisticRegression()
    loaded = again({"a": model, "b": [model], "x": np.arange(1)})[1]
    assert loaded["a"] is loaded["b"][0]


def test_equal_containers_are_stored_once(store: LocalArtifactStore, files_in: Any) -> None:
    first, second = (save({"x": np.arange(3), "y": 1}, store=store) for _ in range(2))
    assert first == second and len(files_in()) == 3
    assert save({"x": np.arange(3), "y": 1.0}, store=store).digest != first.digest


@pytest.mark.parametrize("name", ["files/arrays.npy", "files/value.json", "manifest.json"])
def test_a_container_without_one_of_its_files_is_missing(name: str, store: LocalArtifactStore) -> None:
    record = save({"x": np.arange(3)}, store=store)
    (store.root / record.uri / name).unlink()
    with pytest.raises(ArtifactMissingError):
        load(record, store)


def test_a_container_is_checked_whole_on_request(store: LocalArtifactStore) -> None:
    record = save({"x": np.zeros(1000)}, store=store)
    path = store.root / record.uri / "files" / "arrays.npy"
    path.write_bytes(path.read_bytes()[:-8] + b"12345678")
    load(record, store)
    with pytest.raises(ArtifactMissingError, match="damaged"):
        load(record, store, verify=True)


def test_a_container_around_itself_and_an_array_is_pickled(again: Any) -> None:
    value: dict[str, Any] = {"x": np.arange(3)}
    value["self"] = value
    record, loaded = again(value)
    assert record.materializer == "cloudpickle" and loaded["self"] is loaded
