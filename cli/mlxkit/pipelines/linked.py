"""Look-ups by name that history answers: artifacts by name, version and model, and what was logged to a model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ..runs.records import OutputRecord
from ..runs.views import Origin

if TYPE_CHECKING:
    from ..runs.history import History
    from .models import Model

NOTES = "artifacts"  # in the metadata of a step: what is known of its outputs beside their content
_BATCH = 500


class Found(NamedTuple):
    """An output, what is known of it beside its content, and where it comes from."""

    output: OutputRecord
    notes: dict[str, Any]
    origin: Origin | None = None


def notes_of(metadata: Mapping[str, Any], output: str) -> dict[str, Any]:
    """Return what a step's metadata says of one of its outputs: `version`, `tags`, `metadata`, `saved`."""
    notes = metadata.get(NOTES)
    found = notes.get(output) if isinstance(notes, Mapping) else None
    return dict(found) if isinstance(found, Mapping) else {}


def find(
    history: History, name: str, version: str | None, model: Model | None, *, first: str | None = None
) -> Found | None:
    """Return the newest output of that name, with its notes; what the run `first` made comes before all others.

    `name` may be `step::output` or `pipeline::step::output`; `version` is the label that it was saved under.
    """
    parts = name.split("::")
    where = {"o.name": parts[-1]}
    where.update(zip(("s.name", "r.pipeline"), reversed(parts[:-1]), strict=False))
    values: list[Any] = list(where.values())
    clauses = [f"{column} = ?" for column in where]
    if model is not None:
        clauses.append("(json_extract(r.metadata, '$.model.name') = ? OR r.id = ?)")
        values += [model.name, first or ""]
        if model.version is not None and str(model.version) != "latest":
            clauses.append("(json_extract(r.metadata, '$.model.version') = ? OR r.id = ?)")
            values += [str(model.version), first or ""]
    rows = history.connection.execute(  # the clauses are constants
        "SELECT o.*, s.metadata AS notes, s.run_id AS run, s.name AS step FROM outputs o JOIN steps s ON s.id = o.step_id JOIN runs r ON r.id = s.run_id "  # noqa: S608
        f"WHERE {' AND '.join(clauses)} ORDER BY r.id = ? DESC, s.started DESC LIMIT ?",
        [*values, first or "", _BATCH if version is not None else 1],
    )
    for row in rows:
        notes = notes_of(json.loads(row["notes"]), row["name"])
        if version is None or notes.get("version") == str(version):
            return Found(_output(row), notes, Origin(row["run"], row["step"]))
    return None


def by_digest(history: History, digest: str) -> Found | None:
    """Return an output whose content has that digest, whole or its unmistakable start."""
    rows = history.connection.execute(
        "SELECT o.*, s.run_id AS run, s.name AS step, MIN(s.started) FROM outputs o JOIN steps s ON s.id = o.step_id "
        "WHERE o.digest >= ? AND o.digest < ? GROUP BY o.digest LIMIT 2",
        [digest, digest + "g"],
    ).fetchall()
    if len(rows) != 1:
        return None
    return Found(_output(rows[0]), {}, Origin(rows[0]["run"], rows[0]["step"]))


def names(history: History) -> Iterator[str]:
    """Yield the names of what was made lately, to guess which one was meant."""
    for row in history.connection.execute("SELECT DISTINCT name FROM outputs LIMIT 500"):
        yield row["name"]


def metadata_of(history: History, model: Model) -> dict[str, Any]:
    """Return what runs logged to a model, a newer value before an older one; the running run's own come first."""
    from .context import current_pipeline
    from .models import NOTES_KEY

    version = None if model.version is None or str(model.version) == "latest" else str(model.version)
    rows = history.connection.execute(
        "SELECT metadata FROM runs WHERE json_extract(metadata, '$.model.name') = ? "
        "AND (? IS NULL OR json_extract(metadata, '$.model.version') = ?) ORDER BY started LIMIT 10000",
        [model.name, version, version],
    )
    found: dict[str, Any] = {}
    for row in rows:
        found.update(json.loads(row["metadata"]).get(NOTES_KEY, {}))
    running = current_pipeline.get()
    if running is not None and running.model is not None and running.model.name == model.name:
        found.update(running.metadata.get(NOTES_KEY, {}))
    return found


def _output(row: Any) -> OutputRecord:
    return OutputRecord(
        name=row["name"], digest=row["digest"], materializer=row["materializer"], type=row["type"],
        size=row["size"], uri=row["uri"], summary=json.loads(row["summary"]), inline=row["inline"],
    )  # fmt: skip
