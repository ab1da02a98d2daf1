"""NumPy arrays in the store."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlxkit.artifacts.io import load, save
from mlxkit.integrations.local.artifact_store import LocalArtifactStore

_RECORD = np.dtype([("id", "<i4"), ("name", "<U5"), ("pos", "<f8", (2,))])
_NPY = [
    np.arange(6).reshape(2, 3), np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.arange(20).reshape(4, 5)[::2, ::-2], np.arange(5)[::-1],
    np.array(5.0), np.array("text"), np.array(np.datetime64("2024-01-01")), np.empty((0, 3)), np.empty((3, 0), order="F"), np.array([], dtype="<U1"),
    np.array(["a", "bcd", "é"]), np.array([b"a", b"bc"]), np.array(["", ""], dtype="<U0"), np.array([True, False]), np.array([1 + 2j]),
    np.array(["2024-01-01", "NaT"], dtype="datetime64[ns]"), np.array([1, 2], dtype="timedelta64[D]"), np.arange(3, dtype=">i4"),
    np.array([(1, "ab", (1.0, 2.0)), (2, "", (3.0, 4.0))], dtype=_RECORD), np.zeros(2, dtype=[("größe", "f4"), ("名", "i2")]),
    np.arange(3, dtype=np.float16), np.arange(24).reshape(2, 3, 4).transpose(1, 2, 0), np.broadcast_to(np.arange(3), (2, 3)),
    np.zeros(2, dtype=[(f"field_with_a_rather_long_name_{i}", "i1") for i in range(3000)]),
    np.float64(3).reshape(1, 1, 1), np.arange(3 * 10**6).reshape(3, -1)[:, ::2], np.array([np.nan, np.inf, -0.0]),
]  # fmt: skip


@pytest.mark.parametrize("array", _NPY, ids=lambda a: f"{str(a.dtype)[:20]}-{a.shape}")
def test_an_array_comes_back_with_its_dtype_shape_and_values(array: Any, again: Any) -> None:
    record, loaded = again(array)
    assert record.materializer == "npy"
    assert loaded.dtype == array.dtype and loaded.shape == array.shape
    np.testing.assert_array_equal(loaded, array)
    assert loaded.tobytes() == array.tobytes()


@pytest.mark.parametrize("array", _NPY, ids=lambda a: f"{str(a.dtype)[:20]}-{a.shape}")
def test_an_array_cannot_be_changed_under_another_step(array: Any, store: LocalArtifactStore) -> None:
    loaded = load(save(array, store=store), store)
    assert not loaded.flags.writeable
    with pytest.raises(ValueError, match=r"read-only|WRITEABLE"):
        loaded[...] = loaded


def test_an_array_is_mapped_not_read(store: LocalArtifactStore) -> None:
    loaded = load(save(np.arange(1_000_000), store=store), store)
    base = loaded
    while getattr(base, "base", None) is not None:
        base = base.base
    assert type(base).__name__ == "mmap" or type(getattr(base, "obj", None)).__name__ == "mmap"


def test_a_file_is_what_numpy_reads(store: LocalArtifactStore) -> None:
    array = np.random.default_rng(0).random((7, 5))
    record = save(array, store=store)
    np.testing.assert_array_equal(np.load(store.locate(record.uri)), array)


def test_the_order_of_memory_is_kept(again: Any) -> None:
    assert again(np.asfortranarray(np.ones((3, 4))))[1].flags.f_contiguous


def test_the_digest_is_of_the_values_not_of_the_strides(store: LocalArtifactStore) -> None:
    assert save(np.arange(10)[::2], store=store).digest == save(np.array([0, 2, 4, 6, 8]), store=store).digest


def test_a_mapped_array_can_be_saved_again(store: LocalArtifactStore) -> None:
    first = save(np.arange(9), store=store)
    assert save(load(first, store), store=store).digest == first.digest


@pytest.mark.parametrize(
    "array",
    [
        np.array([{"a": 1}, None], dtype=object), np.ma.array([1, 2], mask=[0, 1]), np.array([(1, [2])], dtype=[("a", "i4"), ("b", object)]),
        np.rec.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        np.array(["a", "bc"], dtype=np.dtypes.StringDType()) if hasattr(np, "dtypes") and hasattr(np.dtypes, "StringDType") else np.array([None]),
    ],
    ids=lambda a: f"{type(a).__name__}-{a.dtype}",
)  # fmt: skip
def test_what_npy_would_change_is_pickled_and_said_so(array: Any, again: Any) -> None:
    record, loaded = again(array)
    assert record.materializer == "cloudpickle" and record.summary == {"pickled": True}
    assert loaded.dtype == array.dtype
    np.testing.assert_array_equal(np.asarray(loaded), np.asarray(array))


def test_the_summary_is_shape_and_dtype(again: Any) -> None:
    assert again(np.zeros((3, 2), dtype="f4"))[0].summary == {"shape": [3, 2], "dtype": "float32"}


def test_scalars_stay_scalars_and_small(again: Any, files_in: Any) -> None:
    for value in (np.float32(0.1), np.int64(3), np.datetime64("2024-01-01"), np.bool_(True)):
        record, loaded = again(value)
        assert record.materializer == "json" and loaded == value and loaded.dtype == value.dtype
    assert files_in() == []
