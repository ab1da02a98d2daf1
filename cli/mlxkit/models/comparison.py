"""Two or more model versions side by side: parameters, metrics, data, code, environment."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..dataclass import dataclass
from ..errors import MlxError, NotFoundError
from ..records import Record, plain
from ..runs.queries import RunQueries
from ..stacks.registries import ModelRegistry, ModelVersion
from . import tags
from .lineage import data_of, steps_of
from .metrics import measured

_SHOWN = 16  # characters of a digest: what a version carries of it
_CODE = {"commit": tags.COMMIT, "code_digest": tags.CODE_DIGEST, "pipeline": tags.PIPELINE, "step": tags.STEP}


@dataclass(frozen=True)
class ComparedRow(Record):
    """One thing that versions can differ in; `values` are in the order of the versions, None where one has none."""

    kind: str
    name: str
    values: tuple[Any, ...]
    differs: bool


@dataclass(frozen=True)
class Comparison(Record):
    """Versions and everything that was compared; `rows` with what differs and what does not.

    `notes` say what could not be compared, and why.
    """

    versions: tuple[str, ...]
    rows: tuple[ComparedRow, ...]
    notes: tuple[str, ...] = ()

    def different(self) -> Comparison:
        """Return only the rows that differ."""
        return replace(self, rows=tuple(row for row in self.rows if row.differs))

    def table(self) -> list[TableRow]:
        """Return the rows with a column for every version."""
        return [TableRow(row, self.versions) for row in self.rows]


class TableRow:
    """A compared row as a table shows it."""

    def __init__(self, row: ComparedRow, versions: Sequence[str]) -> None:
        self._row, self._versions = row, versions

    def to_dict(self) -> dict[str, Any]:
        """Return kind, name, and the value of each version under its reference."""
        values = dict(zip(self._versions, self._row.values, strict=True))
        return {"kind": self._row.kind, "name": self._row.name, **values}


def compare(registry: ModelRegistry, queries: RunQueries, versions: Sequence[ModelVersion]) -> Comparison:
    """Compare versions, of one model or of several."""
    figures = measured(registry, versions)
    environments, notes = _environments(registry, queries, versions)
    sections: dict[str, list[Mapping[str, Any]]] = {
        "param": [item.params for item in figures],
        "metric": [item.metrics for item in figures],
        "data": [_data(queries, version) for version in versions],
        "code": [_code(version) for version in versions],
        "environment": environments,
    }
    rows = [row for kind, values in sections.items() for row in _rows(kind, values)]
    return Comparison(tuple(version.reference for version in versions), tuple(rows), notes)


def _rows(kind: str, values: Sequence[Mapping[str, Any]]) -> list[ComparedRow]:
    names = sorted({name for item in values for name in item})
    rows = []
    for name in names:
        found = tuple(plain(item.get(name)) for item in values)  # where nan is the same as nan
        rows.append(ComparedRow(kind, name, found, any(value != found[0] for value in found[1:])))
    return rows


def _data(queries: RunQueries, version: ModelVersion) -> dict[str, str]:
    """Return the digests of what the training step was given, and of what the data was at the far end."""
    try:
        given = json.loads(version.tags.get(tags.INPUTS, "{}"))
    except ValueError:
        given = {}
    steps, _ = steps_of(queries, version)
    inputs = {str(key): str(value) for key, value in given.items()} if isinstance(given, dict) else {}
    return {name: digest[:_SHOWN] for name, digest in {**data_of(steps), **inputs}.items()}


def _code(version: ModelVersion) -> dict[str, str]:
    return {name: version.tags[tag] for name, tag in _CODE.items() if version.tags.get(tag)}


def _environments(
    registry: ModelRegistry, queries: RunQueries, versions: Sequence[ModelVersion]
) -> tuple[list[Mapping[str, str]], tuple[str, ...]]:
    """Return everything that was installed when the history of all runs is here, else what the models' files name.

    When the files of one cannot be read, there is nothing to compare the others with, and a note says so.
    """
    recorded = [_recorded(queries, version) for version in versions]
    if all(recorded):
        return recorded, ()
    try:
        return [_named(registry, version) for version in versions], ()
    except MlxError as error:
        return [], (f"environments are left out: {error.message}",)


def _recorded(queries: RunQueries, version: ModelVersion) -> Mapping[str, str]:
    try:
        found = queries.environment(queries.get(version.tags.get(tags.RUN_ID, "")))
    except NotFoundError:
        return {}
    python = {"python": str(found["python"])} if "python" in found else {}
    return {**python, **found.get("distributions", {})}


def _named(registry: ModelRegistry, version: ModelVersion) -> Mapping[str, str]:
    found = _requirements(registry.read(version, "requirements.txt"))
    python = _python(registry.read(version, "python_env.yaml"))
    return {**({"python": python} if python else {}), **found}


def _requirements(content: bytes | None) -> dict[str, str]:
    found = {}
    for line in (content or b"").decode("utf-8", "replace").splitlines():
        text = line.partition("#")[0].strip()
        if text and not text.startswith("-"):
            name, _, pinned = text.partition("==")
            found[name.strip()] = pinned.strip() or "any"
    return found


def _python(content: bytes | None) -> str:
    for line in (content or b"").decode("utf-8", "replace").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "python":
            return value.strip().strip("'\"")
    return ""
