"""Containers that hold arrays, tables or models: the container as JSON, its parts in files beside it.

All arrays are in one file, one after another, and mapped at once; every table has its own file; what has
no format is in one pickle, so that objects that share others still do.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import classes, custom, plain
from .errors import ArtifactUnreadableError
from .folders import FILES, Entries, check_file
from .hashing import HashingWriter, hashing_file
from .materializers.base import registered_for
from .materializers.formats import FORMATS, PICKLE, NotRepresentableError, format_of

VALUE = "value.json"
ARRAYS = "arrays.npy"
OBJECTS = "objects.pkl"


class Leaves:
    """The parts of a container that JSON does not have, each once, in the order they were met."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.places: list[dict[str, Any]] = []
        self._positions: dict[int, int] = {}

    def stand_in(self, value: Any) -> dict[str, Any]:
        """Return what stands for a value in the JSON of its container; it says where the value is, once it is written."""
        position = self._positions.setdefault(id(value), len(self.values))
        if position == len(self.values):
            self.values.append(value)
            self.places.append({plain.TAG: "leaf"})
        return self.places[position]

    def has_formats(self) -> bool:
        """Say whether any part has a form of its own; a container of nothing but objects is better one pickle."""
        return any(
            format_of(value) is not None or registered_for(type(value)) is not None for value in self.values
        )


def write(encoded: Any, leaves: Leaves, folder: Path) -> tuple[dict[str, str], set[str]]:
    """Write a container and its parts; returns the digests of files, as far as known, and the code named in them."""
    files = folder / FILES
    files.mkdir(mode=0o700)
    digests: dict[str, str] = {}
    code: set[str] = set()
    arrays, objects = [], []
    for position, (value, place) in enumerate(zip(leaves.values, leaves.places, strict=True)):
        kind = registered_for(type(value))
        row = format_of(value)
        if kind is not None:
            place.update(at=str(position), **custom.write(value, kind, files / str(position)))
            code |= custom.code(value, kind)
        elif row is FORMATS["npy"]:
            arrays.append((value, place))
        elif row is None or not _write_one(
            value, row.name, place, files / f"{position}{row.suffix}", digests
        ):
            objects.append((value, place))
    if arrays:
        with hashing_file(files / ARRAYS) as file:
            objects += [(value, place) for value, place in arrays if not _append(value, place, file)]
        digests[ARRAYS] = file.hexdigest()
    if objects:
        for position, (_, place) in enumerate(objects):
            place["object"] = position
        with hashing_file(files / OBJECTS) as file:
            code |= PICKLE.write([value for value, _ in objects], file)
        digests[OBJECTS] = file.hexdigest()
    with hashing_file(files / VALUE) as file:
        file.write(plain.Encoder().dumps(encoded).encode())
    digests[VALUE] = file.hexdigest()
    return digests, code


def read(folder: Path, entries: Entries, known: Mapping[str, type], before_code: classes.BeforeCode) -> Any:
    """Return a container with its parts; a part that it holds twice is one value.

    `before_code` is asked before any part is read that runs code, with the empty text, and as `plain.loads` asks it.
    """
    reader = _Reader(folder, entries, known, before_code)
    content = check_file(folder, entries, VALUE).read_bytes()
    return plain.loads(content, known=known, leaf=reader.leaf, before_code=before_code)


def path_of(folder: Path, entries: Entries, name: Any) -> Path:
    """Return the path of a file that a container names; raises ArtifactUnreadableError for one that is none of its own."""
    if name not in entries:
        raise ArtifactUnreadableError(f"the value names a part {name!r}, and has none of that name")
    return folder / FILES / str(name)


class _Reader:
    def __init__(
        self, folder: Path, entries: Entries, known: Mapping[str, type], before_code: classes.BeforeCode
    ) -> None:
        self._folder, self._entries, self._known = folder, entries, known
        self._before_code = before_code
        self._seen: dict[Any, Any] = {}
        self._arrays: Any = None
        self._objects: Any = None

    def leaf(self, place: dict[str, Any]) -> Any:
        key = (place.get("array"), place.get("object"), place.get("at"))
        if key not in self._seen:
            self._seen[key] = self._read(place)
        return self._seen[key]

    def _read(self, place: dict[str, Any]) -> Any:
        if "array" in place:
            if self._arrays is None:
                from .materializers.arrays import Arrays

                self._arrays = Arrays(path_of(self._folder, self._entries, ARRAYS))
            return self._arrays.at(place["array"])
        if "object" in place:
            if self._objects is None:
                self._before_code("")
                self._objects = PICKLE.read(check_file(self._folder, self._entries, OBJECTS))
            return self._objects[place["object"]]
        if "custom" in place:
            return self._custom(place["custom"], place["type"], place["at"])
        row, name = FORMATS[place["format"]], place["at"]
        path = path_of(self._folder, self._entries, name)

        def before_code(what: str) -> None:
            self._before_code(what)
            check_file(self._folder, self._entries, name)

        if row.is_code:  # no container of ours says so
            before_code("")
        return row.read(path, before_code)

    def _custom(self, kind: str, type_name: str, at: str) -> Any:
        self._before_code("")
        if not (at.isascii() and at.isdecimal()):  # the position of the part, as `write` names its folder
            raise ArtifactUnreadableError(f"the value names a part {at!r}, and has none of that name")
        for name in self._entries:
            if name.startswith(f"{at}/"):
                check_file(self._folder, self._entries, name)
        return custom.read(kind, type_name, self._folder / FILES / at, self._known)


def _write_one(value: Any, name: str, place: dict[str, Any], path: Path, digests: dict[str, str]) -> bool:
    try:
        with hashing_file(path) as file:
            FORMATS[name].write(value, file)
    except NotRepresentableError:
        path.unlink()
        return False
    place.update(format=name, at=path.name)
    digests[path.name] = file.hexdigest()
    return True


def _append(value: Any, place: dict[str, Any], file: HashingWriter) -> bool:
    """Write an array behind the others, where a map can begin; False when .npy would change it."""
    file.write(b"\0" * (-file.size % 64))
    offset = file.size
    try:
        FORMATS["npy"].write(value, file)
    except NotRepresentableError:
        return False
    place["array"] = offset
    return True


def summary(value: Any, leaves: Leaves) -> dict[str, Any]:
    """Return what a container holds, in a few words."""
    found: dict[str, Any] = {}
    if isinstance(value, dict):
        found["keys"] = [str(key) for key in list(value)[:20]]
    elif isinstance(value, (list, tuple, set, frozenset)):
        found["length"] = len(value)
    kinds = sorted({classes.type_name(type(part)) for part in leaves.values})
    found["holds"] = kinds[:20]
    if any("object" in place for place in leaves.places):
        found["pickled"] = True
    return found
