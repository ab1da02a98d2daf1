"""Polars frames and series in the store."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest

from mlxkit.artifacts.errors import UnstorableOutputError
from mlxkit.artifacts.io import load, save
from mlxkit.integrations.local.artifact_store import LocalArtifactStore


@pytest.fixture
def pl() -> Any:
    return pytest.importorskip("polars", reason="polars is not installed: pip install polars")


_FRAMES: dict[str, Callable[[Any], Any]] = {
    "many types": lambda pl: pl.DataFrame(
        {
            "a": [1, None],
            "s": ["x", "y"],
            "l": [[1], []],
            "t": [{"k": 1}, {"k": 2}],
            "d": [datetime.date(2024, 1, 1), None],
        }
    ),
    "categories": lambda pl: pl.DataFrame(
        {
            "c": pl.Series(["a", "b"], dtype=pl.Categorical),
            "e": pl.Series(["a", "b"], dtype=pl.Enum(["b", "a"])),
        }
    ),
    "nothing": lambda pl: pl.DataFrame(),
    "no rows": lambda pl: pl.DataFrame({"a": []}, schema={"a": pl.Int8}),
}


@pytest.mark.parametrize("name", _FRAMES)
def test_a_frame_comes_back_whole(name: str, pl: Any, again: Any) -> None:
    frame = _FRAMES[name](pl)
    record, loaded = again(frame)
    assert record.materializer == "polars" and record.summary["rows"] == frame.height
    assert loaded.equals(frame) and loaded.schema == frame.schema


def test_a_series_comes_back_with_its_name(pl: Any, again: Any) -> None:
    for series in (pl.Series("n", [1, 2]), pl.Series([1.5]), pl.Series("empty", [], dtype=pl.Utf8)):
        record, loaded = again(series)
        assert record.materializer == "polars"
        assert loaded.name == series.name and loaded.equals(series) and loaded.dtype == series.dtype


def test_a_frame_of_python_objects_is_refused(pl: Any, store: LocalArtifactStore, files_in: Any) -> None:
    frame = pl.DataFrame({"o": pl.Series([object()], dtype=pl.Object)})
    with pytest.raises(UnstorableOutputError, match="Object is not supported"):
        save(frame, store=store)
    assert files_in() == []


def test_equal_frames_are_stored_once(pl: Any, store: LocalArtifactStore) -> None:
    first, second = (save(pl.DataFrame({"a": [1]}), store=store) for _ in range(2))
    assert first == second
    load(first, store, verify=True)
