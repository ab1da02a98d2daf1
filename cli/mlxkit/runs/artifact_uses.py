"""Where an artifact came from and where it went: the step that made it, and those that got it since."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from ..artifacts.errors import ArtifactMissingError
from ..artifacts.records import ArtifactRecord
from ..artifacts.store import ArtifactStore
from ..dataclass import dataclass
from ..records import Record
from .ancestry import artifacts_in
from .history import History
from .queries import RunQueries
from .records import ArtifactListing, OutputRecord, artifact_of, iso

_RUNS, _USES = 5_000, 50  # the newest runs that are looked through, and the uses that are named
_OF_RUN = re.compile(r"([^:]+):([^:].*)", re.DOTALL)


@dataclass(frozen=True)
class ArtifactUse(Record):
    """A step that got an artifact (`as_input` names the argument), or had it from the cache."""

    run: str
    run_name: str
    step: str
    status: str
    started: str | None
    as_input: tuple[str, ...] = ()


@dataclass(frozen=True)
class ArtifactDescription(Record):
    """An artifact with what history knows of it; `size` is in bytes, `where` is empty for what history holds itself."""

    name: str
    digest: str
    type: str
    materializer: str
    size: int
    where: str
    is_there: bool
    created: str | None
    run: str
    run_name: str
    step: str
    used_by: tuple[ArtifactUse, ...] = ()
    summary: Mapping[str, Any] = field(default_factory=dict)
    preview: Mapping[str, Any] = field(default_factory=dict)


def in_run(reference: str, run: str | None = None) -> tuple[str, str | None]:
    """Take `RUN:step::output` apart: the artifact's name, and the run that it is looked for in."""
    named = _OF_RUN.fullmatch(reference)
    return (named[2], named[1]) if named is not None and run is None else (reference, run)


def find_artifact(
    queries: RunQueries, reference: str, run: str | None = None
) -> tuple[ArtifactListing, OutputRecord]:
    """Find an artifact as `RunQueries.artifact` does; `RUN:step::output` means as that run had it."""
    return queries.artifact(*in_run(reference, run))


def describe_artifact(
    history: History,
    store: ArtifactStore,
    found: tuple[ArtifactListing, OutputRecord],
    preview: Mapping[str, Any],
) -> ArtifactDescription:
    """Return what is known of an artifact; its maker is the first step that had it without the cache."""
    listing, output = found
    artifact = artifact_of(output)
    first = history.connection.execute(
        "SELECT r.id AS run, r.name AS run_name, s.name AS step, s.ended FROM outputs o JOIN steps s ON s.id = o.step_id "
        "JOIN runs r ON r.id = s.run_id WHERE o.digest = ? AND o.name = ? AND s.status = 'completed' "
        "ORDER BY s.started LIMIT 1",
        (output.digest, output.name),
    ).fetchone()
    made: dict[str, Any] = (
        dict(first) if first is not None else {"run": listing.run, "run_name": "", "step": "", "ended": None}
    )
    return ArtifactDescription(
        name=listing.name, digest=output.digest, type=output.type, materializer=output.materializer, size=output.size,
        where=_where(artifact, store), is_there=output.inline is not None or store.exists(artifact),
        created=iso(made["ended"]) or listing.created, run=made["run"], run_name=made["run_name"], step=made["step"],
        used_by=uses_of(history, output.digest), summary=output.summary, preview=preview,
    )  # fmt: skip


def uses_of(history: History, digest: str) -> tuple[ArtifactUse, ...]:
    """Return the steps of the newest runs that an artifact was given to, the newest first."""
    rows = history.connection.execute(
        "SELECT s.name, s.status, s.started, s.inputs, r.id AS run, r.name AS run_name "
        "FROM (SELECT id, name, started FROM runs ORDER BY started DESC LIMIT ?) r "
        "JOIN steps s ON s.run_id = r.id WHERE s.inputs LIKE ? ORDER BY r.started DESC, s.position LIMIT ?",
        (_RUNS, f'%"{digest}"%', _USES),
    ).fetchall()
    return tuple(
        ArtifactUse(
            row["run"], row["run_name"], row["name"], row["status"], iso(row["started"]),
            tuple(path for path, item in artifacts_in(json.loads(row["inputs"])) if item["digest"] == digest),
        )
        for row in rows
    )  # fmt: skip


def _where(artifact: ArtifactRecord, store: ArtifactStore) -> str:
    if artifact.inline is not None:
        return ""
    if getattr(store, "is_remote", False):  # to bring it here only to say where it is would be too much
        return f"{store.location}/{artifact.uri}"
    try:
        return str(store.locate(artifact.uri))
    except ArtifactMissingError:
        return f"{store.location}/{artifact.uri}"
