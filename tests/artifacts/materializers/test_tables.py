"""Arrow tables and SciPy matrices in the store."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy import sparse

from mlxkit.artifacts.io import load, save
from mlxkit.integrations.local.artifact_store import LocalArtifactStore


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"a": [1, None], "b": [["x"], []], "c": [{"k": 1}, None], "d": [b"x", b""]}),
        pa.table({"a": pa.array(["x", "y", "x"]).dictionary_encode()}),
        pa.table({"a": []}), pa.table({}), pa.concat_tables([pa.table({"a": [1]}), pa.table({"a": [2, 3]})]),
        pa.table({"a": [1]}).replace_schema_metadata({"owner": "me"}), pa.record_batch({"a": [1, 2]}), pa.record_batch({"a": pa.array([], pa.int8())}),
    ],
    ids=lambda table: f"{type(table).__name__}-{table.num_rows}x{table.num_columns}",
)  # fmt: skip
def test_an_arrow_table_comes_back_whole(table: Any, again: Any) -> None:
    record, loaded = again(table)
    assert record.materializer == "arrow" and record.summary["rows"] == table.num_rows
    assert loaded.equals(table, check_metadata=True)


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "bsr", "dia"])
@pytest.mark.parametrize("flavor", ["matrix", "array"])
def test_a_sparse_matrix_comes_back_in_its_own_layout(kind: str, flavor: str, again: Any) -> None:
    value = getattr(sparse, f"{kind}_{flavor}")(np.diag([1.0, 0.0, 3.0]))
    record, loaded = again(value)
    assert record.materializer == "npz" and record.summary["shape"] == [3, 3]
    np.testing.assert_array_equal(loaded.toarray(), value.toarray())


def test_a_layout_that_npz_does_not_have_is_pickled(again: Any) -> None:
    record, loaded = again(sparse.lil_matrix(np.eye(2)))
    assert record.materializer == "cloudpickle"
    np.testing.assert_array_equal(loaded.toarray(), np.eye(2))


def test_equal_tables_are_stored_once(store: LocalArtifactStore) -> None:
    for make in (
        lambda: pa.table({"a": [1]}),
        lambda: sparse.csr_matrix(np.eye(2)),
    ):
        assert save(make(), store=store) == save(make(), store=store)
        load(save(make(), store=store), store, verify=True)
