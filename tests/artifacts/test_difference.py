"""What two stored values differ in."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from mlxkit.artifacts.difference import MOST, Comparison, compare
from mlxkit.artifacts.io import save
from mlxkit.artifacts.store import ArtifactStore
from mlxkit.errors import NotFoundError, UsageError


def diff(before: Any, after: Any, store: ArtifactStore, **options: Any) -> Comparison:
    found = compare(save(before, store=store), save(after, store=store), store, **options)
    json.dumps(found.to_dict(), allow_nan=False)
    return found


def told(found: Comparison) -> list[tuple[str, str, Any, Any]]:
    return [(change.where, change.what, change.before, change.after) for change in found.changes]


class Opaque:
    """Pickled; says so when it is opened."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __reduce__(self) -> Any:
        return (os.putenv, (f"MLX_TRAP_{self.value}", "sprung"))


def test_the_same_content_is_equal(store: ArtifactStore) -> None:
    assert diff([1, 2], [1, 2], store).is_equal is True
    assert diff(Opaque(1), Opaque(1), store).is_equal is True


def test_scalars_and_kinds(store: ArtifactStore) -> None:
    assert told(diff(1, 2, store)) == [("", "changed", 1, 2)]
    assert diff(1, 1.0, store).is_equal is False
    assert diff(True, 1, store).is_equal is False
    assert told(diff(1, "1", store)) == [("", "changed", "value", "text")]


def test_dictionaries_and_lists_by_path(store: ArtifactStore) -> None:
    before = {"a": 1, "list": [1, {"x": 2}, 3], "gone": None, "nan": float("nan")}
    after = {"a": 1, "list": [1, {"x": 5}], "new": "n", "nan": float("nan")}
    assert told(diff(before, after, store)) == [
        ("list[1].x", "changed", 2, 5),
        ("list[2]", "removed", 3, None),
        ("gone", "removed", None, None),
        ("new", "added", None, "n"),
    ]


def test_order_of_keys_is_stored_otherwise_and_equal(store: ArtifactStore) -> None:
    found = diff({"a": 1, "b": 2}, {"b": 2, "a": 1}, store)
    assert (found.kind, found.is_equal) == ("values", True)


def test_sets_and_tuples(store: ArtifactStore) -> None:
    assert told(diff({1, 2}, {2, 3}, store)) == [("{}", "removed", 1, None), ("{}", "added", None, 3)]
    assert diff((1, 2), [1, 2], store).is_equal is False


def test_many_differences_are_counted(store: ArtifactStore) -> None:
    found = diff(list(range(1000)), list(range(1, 1001)), store)
    assert len(found.changes) == MOST
    assert found.facts == {"differences": 1000}
    assert found.note == f"{1000 - MOST} more"


def test_texts_by_line(store: ArtifactStore) -> None:
    found = diff("a\nb\nc\n", "a\nB\nc\nd\n", store)
    assert found.facts == {"added": 2, "removed": 1}
    assert [*found.lines[3:]] == [" a", "-b", "+B", " c", "+d"]
    ends = diff("a\n", "a\r\n", store)
    assert (ends.is_equal, ends.note) == (False, "only line ends differ")


def test_bytes_by_their_first_difference(store: ArtifactStore) -> None:
    assert diff(b"x" * 9000, b"x" * 8000 + b"y" * 1000, store).facts["first_difference"] == 8000
    assert diff(b"abc", b"abcd", store).facts == {"size": [3, 4], "first_difference": 3}


def test_pickles_are_not_opened(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    sprung: list[Any] = []
    before, after = save(Opaque(1), store=store), save(Opaque(2), store=store)
    monkeypatch.setattr(os, "putenv", lambda *args: sprung.append(args))
    found = compare(before, after, store)
    assert (found.kind, found.is_equal, sprung) == ("closed", None, [])
    assert "--unpickle" in found.note


def test_models_by_their_parameters_when_told(store: ArtifactStore) -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    found = diff(linear.LogisticRegression(C=1.0), linear.LogisticRegression(C=2.0), store, unpickle=True)
    assert told(found) == [("C", "changed", 1.0, 2.0)]
    fitted = linear.LogisticRegression(C=1.0).fit([[0.0], [1.0]], [0, 1])
    learnt = diff(linear.LogisticRegression(C=1.0), fitted, store, unpickle=True)
    assert (learnt.is_equal, learnt.changes) == (False, ())
    assert "learnt" in learnt.note
    other = diff(linear.LogisticRegression(), linear.Ridge(), store, unpickle=True)
    assert told(other)[0][0] == "class"


def test_arrays_by_element(store: ArtifactStore) -> None:
    np = pytest.importorskip("numpy")
    before = np.zeros((100, 20))
    after = before.copy()
    after[3, 4], after[99, 19] = 0.5, -2.0
    found = diff(before, after, store)
    assert found.facts["differing"] == 2
    assert found.facts["max_abs_difference"] == 2.0
    assert told(found) == [("[3, 4]", "changed", 0.0, 0.5), ("[99, 19]", "changed", 0.0, -2.0)]


def test_arrays_across_blocks_and_in_another_order_of_memory(store: ArtifactStore) -> None:
    np = pytest.importorskip("numpy")
    before = np.arange(3_000_000.0).reshape(1000, 3000)
    after = np.asfortranarray(before)
    assert diff(before, after, store).is_equal is True
    changed = before.copy()
    changed[999, 2999] = -1
    assert told(diff(before, changed, store)) == [("[999, 2999]", "changed", 2_999_999.0, -1.0)]


def test_what_is_no_number_in_both_is_equal(store: ArtifactStore) -> None:
    np = pytest.importorskip("numpy")
    assert diff(np.array([np.nan, 1.0]), np.array([np.nan, 2.0]), store).facts["differing"] == 1
    found = diff(np.array([np.nan, 1.0]), np.array([1.0, np.nan]), store)
    assert found.facts["differing"] == 2


@pytest.mark.parametrize(
    ("before", "after", "where"),
    [
        ([1, 2], [1, 2, 3], ["shape"]),
        ([1, 2], [1.0, 2.0], ["dtype"]),
        (["a"], ["b"], ["[0]"]),
        (["a"], [1], ["dtype"]),
        ([True], [False], ["[0]"]),
        ([1j], [2j], ["[0]"]),
    ],
)
def test_shapes_and_dtypes_of_arrays(store: ArtifactStore, before: Any, after: Any, where: list[str]) -> None:
    np = pytest.importorskip("numpy")
    found = diff(np.array(before), np.array(after), store)
    assert found.is_equal is False
    assert [change.where for change in found.changes][: len(where)] == where


def frame(**columns: Any) -> Any:
    return pytest.importorskip("pandas").DataFrame(columns)


def test_columns_and_types_of_tables(store: ArtifactStore) -> None:
    found = diff(frame(a=[1, 2], b=["x", "y"], c=[1, 2]), frame(c=[1.0, 2.5], a=[1, 2], d=[0, 0]), store)
    assert [(change.where, change.what) for change in found.changes] == [
        ("column b", "removed"), ("column d", "added"), ("type of c", "changed"), ("order of columns", "changed"),
        ("c[1]", "changed"),
    ]  # fmt: skip


def test_rows_and_cells_of_tables_by_place(store: ArtifactStore) -> None:
    found = diff(frame(a=[1, 2, 3], b=["x", None, "z"]), frame(a=[1, 9, 3, 4], b=["x", "y", "z", "w"]), store)
    assert found.facts["rows"] == [3, 4]
    assert found.facts["differing_cells"] == 2
    assert told(found) == [
        ("rows", "changed", 3, 4), ("a[1]", "changed", 2, 9), ("b[1]", "changed", None, "y"),
    ]  # fmt: skip
    figures = found.facts["by_column"]["a"]
    assert (figures["differing"], figures["before"]["mean"], figures["after"]["max"]) == (1, 2.0, 9)


def test_rows_of_tables_by_key(store: ArtifactStore) -> None:
    before, after = frame(id=["a", "b", "c"], v=[1, 2, 3]), frame(id=["c", "a", "d"], v=[3, 7, 4])
    found = diff(before, after, store, key="id")
    assert found.facts["matched"] == 2
    assert told(found) == [
        ("row id=b", "removed", "row 1", None), ("row id=d", "added", None, "row 2"), ("v[id=a]", "changed", 1, 7),
    ]  # fmt: skip


def test_a_key_that_is_none_is_refused(store: ArtifactStore) -> None:
    with pytest.raises(NotFoundError, match=r"has no column 'idd' \(did you mean 'id'"):
        diff(frame(id=[1]), frame(id=[2]), store, key="idd")
    with pytest.raises(UsageError, match="more than once"):
        diff(frame(id=[1, 1]), frame(id=[2, 3]), store, key="id")


def test_an_index_counts_and_nothing_equals_nothing(store: ArtifactStore) -> None:
    pd = pytest.importorskip("pandas")
    before = pd.DataFrame({"v": [1.0, None]}, index=pd.Index(["a", "b"], name="key"))
    after = pd.DataFrame({"v": [1.0, None]}, index=pd.Index(["a", "c"], name="key"))
    assert told(diff(before, after, store)) == [("key[1]", "changed", "b", "c")]


def test_lists_dates_and_categories_in_tables(store: ArtifactStore) -> None:
    pa, pd = pytest.importorskip("pyarrow"), pytest.importorskip("pandas")
    assert told(diff(pa.table({"a": [[1], [2]]}), pa.table({"a": [[1], [3]]}), store))[0][0] == "a[1]"
    dates = [frame(d=pd.to_datetime(["2024-01-01", day])) for day in ("2024-01-02", "2024-01-03")]
    assert told(diff(*dates, store))[0][:2] == ("d[1]", "changed")
    kinds = [frame(k=pd.Categorical(["x", last])) for last in ("y", "z")]
    assert [change.where for change in diff(*kinds, store).changes] == ["k[1]"]


def test_tables_of_different_libraries_are_compared_by_value(store: ArtifactStore) -> None:
    pl = pytest.importorskip("polars")
    found = diff(pl.DataFrame({"a": [1, 2]}), frame(a=[1, 3]), store)
    assert told(found) == [("a[1]", "changed", 2, 3)]


def test_parts_of_containers_are_compared(store: ArtifactStore) -> None:
    np = pytest.importorskip("numpy")
    before = {"w": np.zeros(4), "t": frame(a=[1]), "n": 1, "same": np.ones(2)}
    after = {"w": np.ones(4), "t": frame(a=[2]), "n": 2, "same": np.ones(2)}
    found = diff(before, after, store)
    assert [change.where for change in found.changes] == ["w", "t", "n"]
    assert "differing 4" in told(found)[0][3]
    hidden = diff({"w": np.zeros(4), "o": Opaque(1)}, {"w": np.zeros(4), "o": Opaque(2)}, store)
    assert (hidden.is_equal, hidden.changes) == (None, ())
    assert "--unpickle" in hidden.note
