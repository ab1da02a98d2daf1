"""A stored value opened to be looked at: as little of it as possible is read, and none of it is run."""

from __future__ import annotations

from dataclasses import field
from pathlib import Path
from typing import Any, Literal

from ..dataclass import dataclass
from . import containers, folders, io, neutral
from .materializers.formats import FORMATS, PICKLE
from .records import ArtifactRecord
from .store import ArtifactStore
from .unreadable import reading

Kind = Literal["text", "bytes", "value", "table", "array", "object", "closed"]
CLOSED = "reading it would run code, so it was not opened; --unpickle opens it"
_TABLES = ("pandas", "polars", "arrow")


@dataclass(frozen=True)
class Opened:
    """What was found: text, bytes, plain values, an Arrow table, an array in its file, an object, or nothing that is opened.

    `names` are the columns of a table as its library names them; `index` are those that were a pandas index.
    """

    kind: Kind
    value: Any = None
    note: str = ""
    names: tuple[str, ...] = ()
    index: tuple[str, ...] = field(default=())


def open_safely(record: ArtifactRecord, store: ArtifactStore, *, unpickle: bool = False) -> Opened:
    """Open a stored value; what is pickled only when told. Raises ArtifactMissingError and ArtifactUnreadableError."""
    name = record.materializer
    if name in ("text", "json", "bytes"):
        content = record.inline if record.inline is not None else io.checked_file(record, store).read_bytes()
        with reading(record):
            return _plain(name, content)
    if name == io.COMPOSITE:
        folder, entries = io.parts_of(record, store)
        with reading(record):
            return Opened("value", _container(record, folder, entries))
    if name == "npy" or name in _TABLES:
        path = io.checked_file(record, store)
        with reading(record):
            return _file(name, path)
    if not unpickle and (name == PICKLE.name or name not in FORMATS):
        return Opened("closed", note=CLOSED)
    return of_value(io.load(record, store))


def of_value(value: Any) -> Opened:
    """Sort a value that is in memory."""
    module, kind = type(value).__module__.partition(".")[0], type(value).__name__
    if isinstance(value, str):
        return Opened("text", value)
    if isinstance(value, bytes):
        return Opened("bytes", value)
    if module == "numpy" and hasattr(value, "shape") and kind in ("ndarray", "memmap"):
        return Opened("array", value)
    if module == "pandas" and kind == "DataFrame":
        try:
            import pyarrow as pa

            return _table(pa.Table.from_pandas(value.rename(columns=str)))
        except (ImportError, ValueError, TypeError):  # columns that Arrow cannot hold
            return Opened("object", value)
    if value is None or isinstance(value, (bool, int, float, list, tuple, dict)):
        return Opened("value", value)
    return Opened("object", value)


def _plain(name: str, content: bytes) -> Opened:
    if name == "text":
        return Opened("text", content.decode("utf-8", "surrogatepass"))
    return Opened("bytes", content) if name == "bytes" else Opened("value", neutral.decode(content))


def _file(name: str, path: Path) -> Opened:
    """Map a file of one array or table into memory."""
    if name == "npy":
        return Opened("array", FORMATS["npy"].read(path))
    from .materializers.tables import read_table

    return _table(read_table(path))


def _table(table: Any) -> Opened:
    """Name the columns of an Arrow table as pandas had them, where it is one of pandas."""
    metadata = table.schema.metadata or {}
    names: list[str] = list(table.schema.names)
    index: tuple[str, ...] = ()
    if b"pandas" in metadata:
        import json

        told = json.loads(metadata[b"pandas"])
        index = tuple(item for item in told.get("index_columns", ()) if isinstance(item, str))
    ours = neutral.decode(metadata[b"mlx.pandas"]) if b"mlx.pandas" in metadata else {}
    described = ours.get("columns", {})
    labels = described.get("labels") or described.get("tuples")
    if "range" in described:
        labels = list(range(*described["range"]))
    if labels:
        columns = [name for name in names if name not in index]
        known = dict(zip(columns, map(str, labels), strict=False))
        names = [known.get(name, name) for name in names]
    levels = ours.get("index") or []
    for position, name in enumerate(index):
        label = levels[position] if position < len(levels) and levels[position] is not None else "index"
        names[names.index(name)] = str(label)
    shown = tuple(str(item) for item in names)
    return Opened(
        "table", table, names=shown, index=tuple(shown[table.schema.get_field_index(name)] for name in index)
    )


def _container(record: ArtifactRecord, folder: Path, entries: folders.Entries) -> Any:
    arrays: list[Any] = []

    def leaf(place: dict[str, Any]) -> Any:
        if "array" in place:
            return neutral.Part(
                "array", f"array {place['array']}", lambda: Opened("array", array(place["array"]))
            )
        if "format" in place:
            path = containers.path_of(folder, entries, place["at"])
            return neutral.Part(str(place["format"]), entries[place["at"]][1], lambda: part(place, path))
        what = str(place.get("type") or "object")
        content = entries.get(containers.OBJECTS, (0, ""))[1]
        return neutral.Part(
            what, f"{content} {place.get('object', place.get('at'))}", lambda: Opened("closed", note=CLOSED)
        )

    def part(place: dict[str, Any], path: Path) -> Opened:
        with reading(record):
            return _part(place, path)

    def array(offset: int) -> Any:
        with reading(record):
            if not arrays:
                from .materializers.arrays import Arrays

                arrays.append(Arrays(containers.path_of(folder, entries, containers.ARRAYS)))
            return arrays[0].at(offset)

    value = folders.check_file(folder, entries, containers.VALUE).read_bytes()
    return neutral.decode(value, leaf)


def _part(place: dict[str, Any], path: Path) -> Opened:
    if place["format"] in _TABLES:
        return _file(place["format"], path)
    return Opened("closed", note=f"stored as {place['format']}")
