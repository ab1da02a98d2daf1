"""pandas frames and series in the store."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlxkit.artifacts.io import load, save
from mlxkit.integrations.local.artifact_store import LocalArtifactStore

_DAYS = pd.date_range("2024-01-01", periods=3, freq="D")


def _attributed() -> pd.DataFrame:
    frame = pd.DataFrame({"a": [1]})
    frame.attrs = {"source": "sensor", "shape": (1, 2)}
    return frame


_ARROW = {
    "numbers": pd.DataFrame(
        {
            "f": [1.5, np.nan],
            "i": [1, 2],
            "i4": np.array([1, 2], "i4"),
            "u": np.array([1, 2], "u1"),
            "b": [True, False],
        }
    ),
    "text": pd.DataFrame({"s": ["a", None], "t": ["x", "y"]}),
    "dates": pd.DataFrame(
        {"d": _DAYS, "z": _DAYS.tz_localize("Europe/Berlin"), "t": pd.to_timedelta([1, 2, 3], unit="s")}
    ),
    "categories": pd.DataFrame(
        {
            "c": pd.Categorical(["x", "y", "x"], categories=["y", "x", "unused"], ordered=True),
            "n": pd.Categorical([1, 2, 1]),
        }
    ),
    "nullable": pd.DataFrame(
        {
            "I": pd.array([1, None], "Int64"),
            "B": pd.array([True, None], "boolean"),
            "S": pd.array(["a", None], "string"),
        }
    ),
    "index of text": pd.DataFrame({"a": [1, 2]}, index=["x", "y"]),
    "named index": pd.DataFrame({"a": [1, 2]}, index=pd.Index([3, 1], name="key")),
    "index named like a column": pd.DataFrame({"a": [1, 2]}, index=pd.Index([3, 1], name="a")),
    "index with a number for a name": pd.DataFrame({"a": [1, 2]}, index=pd.Index([3, 1], name=7)),
    "range index": pd.DataFrame({"a": [1, 2, 3]}, index=pd.RangeIndex(10, 16, 2, name="r")),
    "dates as index": pd.DataFrame({"a": [1, 2, 3]}, index=_DAYS),
    "dates in a zone as index": pd.DataFrame({"a": [1, 2, 3]}, index=_DAYS.tz_localize("UTC")),
    "several levels": pd.DataFrame(
        {"a": range(4)}, index=pd.MultiIndex.from_product([["x", "y"], [1, 2]], names=["k", None])
    ),
    "categories as index": pd.DataFrame({"a": [1, 2]}, index=pd.CategoricalIndex(["p", "q"])),
    "numbers as columns": pd.DataFrame(np.zeros((2, 3))),
    "mixed columns": pd.DataFrame([[1, 2, 3]], columns=[1, "a", (2, "b")]),
    "columns twice": pd.DataFrame([[1, 2]], columns=["a", "a"]),
    "named columns": pd.DataFrame([[1, 2]], columns=pd.Index(["a", "b"], name="letters")),
    "columns of several levels": pd.DataFrame(
        [[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["x", "y"])
    ),
    "column named like an index": pd.DataFrame({"__index_level_0__": [1, 2]}, index=["p", "q"]),
    "no rows": pd.DataFrame({"a": np.array([], dtype="f8")}),
    "no columns": pd.DataFrame(index=["x", "y"]),
    "nothing": pd.DataFrame(),
    "attrs": _attributed(),
    "float32": pd.DataFrame({"a": np.array([0.1], "f4")}),
}


@pytest.mark.parametrize("name", _ARROW)
def test_a_frame_comes_back_whole(name: str, again: Any) -> None:
    frame = _ARROW[name]
    record, loaded = again(frame)
    assert record.materializer == "pandas"
    pd.testing.assert_frame_equal(
        loaded, frame, check_freq=True, check_column_type="exact", check_index_type="exact"
    )
    assert type(loaded.index) is type(frame.index) and type(loaded.columns) is type(frame.columns)
    assert list(loaded.index.names) == list(frame.index.names) and loaded.attrs == frame.attrs


_SERIES = {
    "named": pd.Series([1, 2], name="n"), "nameless": pd.Series([1.5, np.nan]), "number as name": pd.Series([1], name=3),
    "tuple as name": pd.Series([1], name=("a", 1)), "index": pd.Series([1, 2], index=["a", "b"], name="index"), "dates": pd.Series(_DAYS, index=_DAYS),
    "categories": pd.Series(["a", "b"], dtype="category"), "text": pd.Series(["a", "b"]), "named value": pd.Series([1], name="value"),
}  # fmt: skip


@pytest.mark.parametrize("name", _SERIES)
def test_a_series_comes_back_whole(name: str, again: Any) -> None:
    record, loaded = again(_SERIES[name])
    assert record.materializer == "pandas"
    pd.testing.assert_series_equal(loaded, _SERIES[name], check_freq=True)


_PICKLED = {
    "mixed objects": pd.DataFrame({"a": [1, "x", None]}),
    "lists": pd.DataFrame({"a": [[1], [2, 3]]}),
    "dictionaries": pd.DataFrame({"a": [{"x": 1}, {"y": 2}]}),
    "numbers as objects": pd.DataFrame({"a": pd.Series([1, 2], dtype=object)}),
    "text with nan": pd.DataFrame({"a": pd.Series(["x", np.nan], dtype=object)}),
    "periods": pd.DataFrame({"a": pd.period_range("2024", periods=2, freq="M")}),
    "intervals": pd.DataFrame({"a": pd.interval_range(0, 2)}),
    "sparse": pd.DataFrame({"a": pd.arrays.SparseArray([0, 0, 1])}),
    "complex": pd.DataFrame({"a": [1 + 2j]}),
    "dates as columns": pd.DataFrame([[1, 2]], columns=pd.date_range("2024", periods=2)),
    "intervals as index": pd.DataFrame({"a": [1, 2]}, index=pd.interval_range(0, 2)),
}


@pytest.mark.parametrize("name", _PICKLED)
def test_a_frame_that_arrow_would_change_is_pickled_and_said_so(name: str, again: Any) -> None:
    record, loaded = again(_PICKLED[name])
    assert record.materializer == "cloudpickle" and record.summary == {"pickled": True}
    pd.testing.assert_frame_equal(loaded, _PICKLED[name])


def test_a_reader_may_change_its_frame_and_nobody_notices(store: LocalArtifactStore) -> None:
    record = save(
        pd.concat([_ARROW["dates"], _ARROW["categories"]], axis=1).assign(f=1.0, i=2, s="x"), store=store
    )
    first = load(record, store)
    for column in first.columns:
        first.loc[0, column] = first[column].iloc[1]
    first["new"] = 1
    second = load(record, store)
    assert "new" not in second and second.loc[0, "d"] == _DAYS[0] and second.loc[0, "c"] == "x"
    load(record, store, verify=True)


def test_saving_changes_nothing_about_the_frame(store: LocalArtifactStore) -> None:
    frame = _attributed().set_axis(pd.Index([4], name="key"))
    before = frame.copy()
    save(frame, store=store)
    pd.testing.assert_frame_equal(frame, before)
    assert frame.attrs == before.attrs and frame.index.name == "key"


def test_the_index_is_part_of_the_digest(store: LocalArtifactStore) -> None:
    digests = {
        save(pd.DataFrame({"a": [1, 2]}, index=index), store=store).digest
        for index in ([0, 1], [1, 0], ["0", "1"], None)
    }
    assert len(digests) == 4  # a list of 0 and 1 is an index of numbers, none at all is a range
    assert save(_ARROW["numbers"], store=store).digest == save(_ARROW["numbers"].copy(), store=store).digest


def test_the_file_is_arrow_that_others_read(store: LocalArtifactStore) -> None:
    from pyarrow import feather

    record = save(_ARROW["numbers"], store=store)
    assert feather.read_table(store.locate(record.uri)).column_names == ["f", "i", "i4", "u", "b"]


def test_the_summary_is_rows_and_columns(again: Any) -> None:
    assert again(_ARROW["text"])[0].summary == {"rows": 2, "columns": ["s", "t"]}
    assert again(pd.DataFrame(np.zeros((1, 60))))[0].summary["columns"][-2:] == ["49", "..."]
