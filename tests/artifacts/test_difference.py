"""What two stored values differ in."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

import pytest

from mlxkit.artifacts.difference import MOST, Comparison, compare
from mlxkit.artifacts.io import save
from mlxkit.artifacts.opening import of_value
from mlxkit.artifacts.preview import preview_of
from mlxkit.artifacts.store import ArtifactStore
from mlxkit.errors import NotFoundError, UsageError
from mlxkit.secrets.masking import register


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
    assert [change.where for change in diff(*kinds, store).changes] == ["categories of k", "k[1]"]


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


UNEQUAL_TABLES: dict[str, Any] = {
    "where a range begins": lambda pd: (
        [pd.DataFrame({"a": [1, 2, 3]}, index=pd.RangeIndex(start, start + 3)) for start in (0, 5)],
        ["index"],
    ),
    "a range's steps": lambda pd: (
        [pd.DataFrame({"a": [1, 2]}, index=pd.RangeIndex(0, 2 * step, step)) for step in (1, 2)],
        ["index"],
    ),
    "a range against numbers": lambda pd: (
        [pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": [1, 2]}, index=pd.Index([0, 1]))],
        ["column index"],
    ),
    "categories": lambda pd: (
        [
            pd.DataFrame({"a": pd.Categorical(["x"], categories=kinds)})
            for kinds in (["x", "y"], ["y", "x", "unused"])
        ],
        ["categories of a"],
    ),
    "order of categories": lambda pd: (
        [pd.DataFrame({"a": pd.Categorical(["x"], ["x", "y"], ordered=is_so)}) for is_so in (True, False)],
        ["type of a"],
    ),
    "name of the columns": lambda pd: (
        [pd.DataFrame({"a": [1]}).rename_axis(columns=name) for name in "nm"],
        ["names of the columns"],
    ),
    "whether the columns have a name": lambda pd: (
        [pd.DataFrame({"a": [1]}).rename_axis(columns=name) for name in ("n", None)],
        ["names of the columns"],
    ),
    "name of the index": lambda pd: (
        [pd.DataFrame({"a": [1]}, index=pd.RangeIndex(1, name=name)) for name in "nm"],
        ["names of the index"],
    ),
    "name of a series": lambda pd: ([pd.Series([1], name=name) for name in "nm"], ["name"]),
    "type of a series' name": lambda pd: ([pd.Series([1], name=name) for name in (1, "1")], ["name"]),
    "kinds of labels": lambda pd: (
        [pd.DataFrame([[1, 2]], columns=pd.Index([one, "b"], dtype=object)) for one in (1, "1")],
        ["kinds of labels"],
    ),
    "what is missing": lambda pd: (
        [pd.DataFrame({"a": pd.array([1.5, None], kind)}) for kind in ("Float64", "float64")],
        ["type of a"],
    ),
    "nullable integers": lambda pd: (
        [pd.DataFrame({"a": pd.array([1, 2], kind)}) for kind in ("Int64", "int64")], ["type of a"]),
    "frequency": lambda pd: (
        [
            pd.DataFrame({"a": [1, 2, 3]}, index=pd.DatetimeIndex(dates, freq=freq))
            for dates in [pd.date_range("2024-01-01", periods=3)]
            for freq in ("D", None)
        ],
        ["frequency"],
    ),
    "zeros": lambda pd: ([pd.DataFrame({"a": [1.0, zero]}) for zero in (0.0, -0.0)], ["a[1]"]),
}  # fmt: skip


@pytest.mark.parametrize("name", UNEQUAL_TABLES)
def test_tables_with_equal_cells_that_are_not_equal(store: ArtifactStore, name: str) -> None:
    pd = pytest.importorskip("pandas")
    (before, after), where = UNEQUAL_TABLES[name](pd)
    found = diff(before, after, store)
    assert found.is_equal is False
    assert [change.where for change in found.changes][: len(where)] == where
    assert diff(before, before, store).is_equal is True
    in_dict = diff({"t": before, "n": 1}, {"t": after, "n": 1}, store)
    assert [change.where for change in in_dict.changes] == ["t"]
    assert where[0] in told(in_dict)[0][3]


def test_attributes_of_frames_are_compared_by_path(store: ArtifactStore) -> None:
    pytest.importorskip("pandas")
    before, after = frame(a=[1]), frame(a=[1])
    before.attrs, after.attrs = {"source": {"year": 2023}}, {"source": {"year": 2024}}
    assert told(diff(before, after, store)) == [("attrs.source.year", "changed", 2023, 2024)]


def test_metadata_and_fields_of_arrow_tables(store: ArtifactStore) -> None:
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"a": [1]})
    found = diff(table.replace_schema_metadata({"k": "1"}), table.replace_schema_metadata({"k": "2"}), store)
    assert told(found) == [("metadata.k", "changed", "1", "2")]
    strict = table.cast(pa.schema([pa.field("a", pa.int64(), nullable=False)]))
    found = diff(table, strict, store)
    assert (found.is_equal, found.changes) == (False, ())
    assert "stored differently" in found.note


def test_tables_of_the_same_values_in_other_pieces_are_equal(store: ArtifactStore) -> None:
    pa = pytest.importorskip("pyarrow")
    whole = pa.table({"a": [1, 2, 3], "b": ["x", None, "z"]})
    pieces = pa.concat_tables([whole.slice(0, 1), whole.slice(1)])
    assert diff(whole, pieces, store).is_equal is True


def test_the_same_table_of_another_library_is_not_equal(store: ArtifactStore) -> None:
    pl = pytest.importorskip("polars")
    found = diff(pl.DataFrame({"a": [1, 2]}), frame(a=[1, 2]), store)
    assert found.is_equal is False
    assert [change.where for change in found.changes] == ["type"]
    series = diff(pl.Series("a", [1, 2]), pl.DataFrame({"a": [1, 2]}), store)
    assert series.is_equal is False


def test_zeros_of_arrays_have_a_sign(store: ArtifactStore) -> None:
    np = pytest.importorskip("numpy")
    found = diff(np.array([0.0, 1.0]), np.array([-0.0, 1.0]), store)
    assert (found.is_equal, found.facts["differing"]) == (False, 1)
    assert diff(np.array([0j]), np.array([complex(0.0, -0.0)]), store).is_equal is False
    assert diff(0.0, -0.0, store).is_equal is False


def test_values_that_python_calls_equal_and_are_not_the_same(store: ArtifactStore) -> None:
    from datetime import datetime, timedelta, timezone
    from decimal import Decimal

    noon = datetime(2024, 1, 1, 12, tzinfo=timezone.utc)
    pairs: list[tuple[Any, Any]] = [
        ({1: "a"}, {True: "a"}), ({1}, {True}), ({1}, {1.0}), (Decimal("1.0"), Decimal("1.00")),
        (noon, noon.astimezone(timezone(timedelta(hours=1)))), ({1: 2}, {"1": 2}),
    ]  # fmt: skip
    for before, after in pairs:
        found = diff(before, after, store)
        assert found.is_equal is False, (before, after)
        assert found.changes


def test_types_are_told_where_they_differ(store: ArtifactStore) -> None:
    found = diff({"a": 1, "b": [1, 2], "c": None}, {"a": True, "b": (1, 2), "c": 2}, store)
    assert [(change.where, change.types) for change in found.changes] == [
        ("a", ("int", "bool")), ("b", ("list", "tuple")), ("c", ()),
    ]  # fmt: skip


def test_a_key_that_reads_like_a_path_is_quoted(store: ArtifactStore) -> None:
    before = {"a.b": 1, "a": {"b": 1}, 'q"': 1, "": 1, 3: 1}
    after = {"a.b": 2, "a": {"b": 2}, 'q"': 2, "": 2, 3: 2}
    assert [change.where for change in diff(before, after, store).changes] == [
        '"a.b"', "a.b", '"q\\""', '""', "[3]",
    ]  # fmt: skip
    assert told(diff({"x": {"y z": 1}}, {"x": {}}, store))[0][0] == 'x."y z"'


@dataclass
class Inner:
    x: int


class Holder:
    @dataclass
    class Inner:
        x: int


def test_classes_of_one_name_are_told_apart(store: ArtifactStore) -> None:
    found = diff([Inner(1)], [Holder.Inner(1)], store)
    assert found.is_equal is False
    assert found.changes[0].types[0] != found.changes[0].types[1]


def test_secrets_are_masked_before_a_text_is_cut(store: ArtifactStore) -> None:
    secret = "s3cr3t-of-the-values"
    register(secret)
    for at in (0, 180, 190, 199, 5000):
        text = "x" * at + secret + "y" * 100_000
        found = diff({"a": text, "b": [text]}, {"a": 1, "b": 2}, store)
        lines = diff(text, text + "z", store)
        said = json.dumps([found.to_dict(), lines.to_dict()])
        assert secret[:6] not in said
        assert len(said) < 5000
        seen = preview_of(of_value(text), width=at + 10 if at < 1000 else 80)
        assert secret[:6] not in json.dumps(seen.to_dict())
