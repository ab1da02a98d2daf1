"""A first look at stored values: little is read, nothing is run, nothing is too wide."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from mlxkit.artifacts.errors import ArtifactMissingError
from mlxkit.artifacts.io import save
from mlxkit.artifacts.preview import Preview, preview
from mlxkit.artifacts.preview_pictures import kind_of_picture
from mlxkit.artifacts.store import ArtifactStore


def look(value: Any, store: ArtifactStore, **options: Any) -> Preview:
    return preview(save(value, store=store), store, **options)


class Trap:
    """Says so when it is unpickled."""

    def __reduce__(self) -> Any:
        return (os.putenv, ("MLX_TRAP", "sprung"))


@dataclass
class Config:
    """A user's class."""

    rate: float
    names: list[str]


def test_the_head_of_a_text(store: ArtifactStore) -> None:
    seen = look("\n".join(f"line {i} " + "x" * 100 for i in range(500)), store, rows=3, width=40)
    assert seen.kind == "text"
    assert seen.facts["lines"] == 500
    assert [line[:7] for line in seen.lines] == ["line 0 ", "line 1 ", "line 2 "]
    assert max(map(len, seen.lines)) == 40
    assert seen.note == "497 more lines"
    assert look("", store).facts["lines"] == 0


def test_plain_values_are_shown_as_json(store: ArtifactStore) -> None:
    seen = look({"a": [1, 2.5, None], "t": (1,), "nan": float("nan")}, store, rows=40)
    assert json.loads("\n".join(seen.lines)) == {"a": [1, 2.5, None], "t": [1], "nan": "nan"}


def test_a_long_list_is_cut(store: ArtifactStore) -> None:
    seen = look(list(range(100_000)), store, rows=5)
    assert seen.facts == {"length": 100_000}
    assert len(seen.lines) == 5
    assert seen.note == "more below"


def test_objects_of_the_users_classes_are_shown_without_importing_them(
    store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "from dataclasses import dataclass\nprint('imported')\n@dataclass\nclass Point:\n    x: int\n    y: int\n"
    (tmp_path / "shapes_of_mine.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    from shapes_of_mine import Point  # type: ignore[import-not-found]

    record = save([Point(1, 2)], store=store)
    monkeypatch.delitem(sys.modules, "shapes_of_mine")
    seen = preview(record, store, rows=20)
    assert json.loads("\n".join(seen.lines)) == [{"Point": {"x": 1, "y": 2}}]
    assert "shapes_of_mine" not in sys.modules


def test_what_is_pickled_is_opened_only_when_told(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = save(Trap(), store=store)
    sprung: list[Any] = []
    monkeypatch.setattr(os, "putenv", lambda *args: sprung.append(args))
    seen = preview(record, store)
    assert (seen.kind, sprung) == ("closed", [])
    assert "--unpickle" in seen.note


def test_what_is_pickled_is_shown_when_told(store: ArtifactStore) -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    seen = look(linear.LogisticRegression(C=3.0), store, unpickle=True)
    assert seen.kind == "object"
    assert seen.lines == ("LogisticRegression(C=3.0)",)


def test_the_corner_and_the_figures_of_an_array(store: ArtifactStore) -> None:
    np = pytest.importorskip("numpy")
    array = np.arange(2000.0).reshape(20, 100)
    array[0, 0] = np.nan
    seen = look(array, store)
    assert seen.facts["shape"] == [20, 100]
    assert seen.facts["dtype"] == "float64"
    assert (seen.facts["min"], seen.facts["max"], seen.facts["not_finite"]) == (1.0, 1999.0, 1)
    assert seen.lines[0].startswith("[[ nan")
    assert seen.lines[-1] == "..."
    assert len(seen.lines) <= 12


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3, 4), (2, 2, 2, 2), (5, 0)])
@pytest.mark.parametrize("dtype", ["float32", "int8", "bool", "U3", "datetime64[s]", "complex128"])
def test_arrays_of_any_shape_and_dtype_can_be_looked_at(store: ArtifactStore, shape: Any, dtype: str) -> None:
    np = pytest.importorskip("numpy")
    seen = look(np.zeros(shape, dtype=dtype), store, width=60)
    assert seen.facts["shape"] == list(shape)
    assert max(map(len, seen.lines), default=0) <= 60


def test_a_large_array_is_sampled_not_loaded(store: ArtifactStore) -> None:
    """A child looks at 400 MB with far less memory than that."""
    np = pytest.importorskip("numpy")
    record = save(np.ones((500, 100_000)), store=store)
    code = (
        "import resource, sys, pickle\nfrom pathlib import Path\n"
        "record, location = pickle.loads(bytes.fromhex(sys.argv[1]))\n"
        "from mlxkit.artifacts.materializers.arrays import read\nimport numpy as np\n"
        "np.zeros(3).min()\nbefore = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "from mlxkit.artifacts.preview_arrays import array_lines\n"
        "facts, lines = array_lines(read(Path(location)), 10, 80)\n"
        "print(facts['mean'], facts['sampled'], (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)"
    )
    import pickle

    told = pickle.dumps((record, str(store.locate(record.uri)))).hex()
    done = subprocess.run([sys.executable, "-c", code, told], capture_output=True, text=True, timeout=60)
    mean, sampled, grown = done.stdout.split()
    assert (mean, sampled) == ("1.0", "True"), done.stderr
    assert int(grown) < 150  # megabytes


@pytest.fixture
def frame() -> Any:
    pd = pytest.importorskip("pandas")
    return pd.DataFrame(
        {
            "id": range(50),
            "price": [i / 3 for i in range(50)],
            "name": [None if i == 1 else f"n{i}" for i in range(50)],
        }
    )


def test_the_first_rows_of_a_table_with_its_types(store: ArtifactStore, frame: Any) -> None:
    seen = look(frame, store, rows=4)
    assert (seen.facts["rows"], seen.facts["columns"]) == (50, 3)
    assert seen.facts["types"]["id"] == "int64"
    assert [line.split() for line in seen.lines] == [
        ["id", "price", "name"], ["int64", "double", seen.facts["types"]["name"]], ["0", "0", "n0"],
        ["1", "0.333333", "null"], ["2", "0.666667", "n2"], ["3", "1", "n3"], ["...", "46", "more", "rows"],
    ]  # fmt: skip


def test_a_wide_table_is_cut_to_the_width(store: ArtifactStore) -> None:
    pd = pytest.importorskip("pandas")
    seen = look(pd.DataFrame({f"column_{i}": ["x" * 60] for i in range(200)}), store)
    assert max(map(len, seen.lines)) <= 80
    assert seen.lines[0].endswith("...")


def test_index_and_odd_names_of_columns_are_shown(store: ArtifactStore) -> None:
    pd = pytest.importorskip("pandas")
    named = pd.DataFrame({"v": [1.0]}, index=pd.Index(["a"], name="key"))
    assert look(named, store).lines[0].split() == ["key", "v"]
    numbered = pd.DataFrame([[1, 2]], columns=[7, 8])
    assert look(numbered, store).lines[0].split() == ["7", "8"]


def test_tables_of_arrow_and_polars_are_shown_too(store: ArtifactStore) -> None:
    pa, pl = pytest.importorskip("pyarrow"), pytest.importorskip("polars")
    for table in (pa.table({"a": [1, 2]}), pl.DataFrame({"a": [1, 2]})):
        assert [line.split() for line in look(table, store).lines] == [["a"], ["int64"], ["1"], ["2"]]


def test_containers_name_what_they_hold(store: ArtifactStore, frame: Any) -> None:
    import numpy as np

    seen = look({"weights": np.zeros((3, 4)), "table": frame, "other": [Trap()]}, store, rows=40)
    text = "\n".join(seen.lines)
    assert '"weights": "<array 3x4 float64>"' in text
    assert '"table": "<table 50 x 3>"' in text
    assert "object" in text


def png() -> bytes:
    image = pytest.importorskip("PIL.Image")
    content = BytesIO()
    picture = image.new("RGB", (200, 100), (255, 0, 0))
    picture.paste((0, 0, 255), (0, 50, 200, 100))
    picture.save(content, "PNG")
    return content.getvalue()


def test_a_picture_is_named_and_shown_small(store: ArtifactStore) -> None:
    seen = look(png(), store, pixels=True, width=40)
    assert seen.kind == "picture"
    assert (seen.facts["format"], seen.facts["width"], seen.facts["height"]) == ("PNG", 200, 100)
    assert seen.pixels is not None
    assert (len(seen.pixels), len(seen.pixels[0])) == (20, 40)
    assert seen.pixels[0][0] == (255, 0, 0)
    assert seen.pixels[-1][-1] == (0, 0, 255)
    assert "pixels" not in seen.to_dict()
    assert look(png(), store).pixels is None


def test_an_array_of_colours_is_a_picture_too(store: ArtifactStore) -> None:
    np = pytest.importorskip("numpy")
    pytest.importorskip("PIL.Image")
    seen = look(np.full((600, 900, 3), 7, dtype="uint8"), store, pixels=True, width=30)
    assert seen.pixels is not None
    assert {cell for row in seen.pixels for cell in row} == {(7, 7, 7)}


def test_broken_and_bragging_pictures_have_no_pixels(store: ArtifactStore) -> None:
    huge = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (100_000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    for content in (png()[:60], huge):
        seen = look(content, store, pixels=True)
        assert (seen.kind, seen.pixels) == ("picture", None)


def test_sizes_of_jpeg_and_gif_are_read_from_their_beginning() -> None:
    image = pytest.importorskip("PIL.Image")
    for name in ("JPEG", "GIF"):
        content = BytesIO()
        image.new("RGB", (123, 45)).save(content, name)
        assert kind_of_picture(content.getvalue()) == {"format": name, "width": 123, "height": 45}
    assert kind_of_picture(b"\xff\xd8\xff") == {"format": "JPEG"}
    assert kind_of_picture(b"plain") is None


def test_bytes_are_shown_in_hexadecimal(store: ArtifactStore) -> None:
    seen = look(b"\0abc" * 100, store)
    assert seen.facts == {"bytes": 400}
    assert seen.lines[0].startswith("0000  00 61 62 63")
    assert seen.lines[0].endswith(".abc.abc.abc.abc")


def test_content_that_is_gone_or_changed_is_said_to_be(store: ArtifactStore) -> None:
    record = save("x" * 10_000, store=store)
    path = store.locate(record.uri)
    path.chmod(0o600)
    path.write_bytes(b"y" * 10_000)
    with pytest.raises(ArtifactMissingError, match="damaged"):
        preview(record, store)
    path.unlink()
    with pytest.raises(ArtifactMissingError):
        preview(record, store)
