"""Models and versions as rows of MLflow's SQLite tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from ....stacks.model_addresses import model_id_in
from ....stacks.registries import ModelVersion, RegisteredModel
from .rules import legacy_stage, no_model, no_version, seconds

MODELS = (
    "SELECT m.name, m.description, m.creation_time, m.last_updated_time, (SELECT max(v.version) FROM model_versions v "
    "WHERE v.workspace = 'default' AND v.name = m.name AND coalesce(v.current_stage, '') != 'Deleted_Internal') "
    "FROM registered_models m WHERE m.workspace = 'default'"
)
VERSIONS = (
    "SELECT name, version, source, run_id, description, status, status_message, user_id, current_stage, creation_time, "
    "last_updated_time FROM model_versions WHERE workspace = 'default' AND coalesce(current_stage, '') != 'Deleted_Internal'"
)
ONE = " AND name = ? AND version = ?"
_TAGS_OF_ONE = "SELECT key, value FROM model_version_tags WHERE workspace = 'default'" + ONE


def model_of(
    db: sqlite3.Connection, row: Any, tags: Mapping[str, Any], aliases: Mapping[str, int]
) -> RegisteredModel:
    """Return a model with its newest version."""
    name, description, created, updated, latest = row
    return RegisteredModel(
        name,
        description or "",
        tags,
        aliases,
        latest,
        seconds(created),
        seconds(updated or created),
        None if latest is None else _newest(db, name, latest, aliases),
    )


def names(db: sqlite3.Connection) -> list[str]:
    return [
        row[0]
        for row in db.execute("SELECT name FROM registered_models WHERE workspace = 'default' LIMIT 1000")
    ]


def must_have(db: sqlite3.Connection, name: str, version: int | None = None) -> None:
    """Raise NotFoundError unless there is a model, and the version of it."""
    found = db.execute(
        "SELECT 1 FROM registered_models WHERE workspace = 'default' AND name = ?", (name,)
    ).fetchone()
    if found is None:
        raise no_model(name, lambda: names(db))
    if version is not None and db.execute(VERSIONS + ONE, (name, version)).fetchone() is None:
        raise no_version(name, version)


def one_version(db: sqlite3.Connection, name: str, number: int) -> ModelVersion:
    must_have(db, name, number)
    rows = db.execute(VERSIONS + ONE, (name, number)).fetchall()
    return with_details(db, name, rows)[0]


def with_details(db: sqlite3.Connection, name: str, rows: list[Any]) -> list[ModelVersion]:
    """Return versions of a model with their tags and aliases."""
    tags: dict[int, dict[str, str]] = {}
    query, values = "SELECT version, key, value FROM model_version_tags WHERE workspace = 'default'", (name,)
    narrow = ONE if len(rows) == 1 else " AND name = ?"
    for version, key, value in db.execute(
        query + narrow, (*values, rows[0][1]) if len(rows) == 1 else values
    ):
        tags.setdefault(version, {})[key] = value or ""
    aliases: dict[int, list[str]] = {}
    for alias, version in by_model(db, "aliases", name).get(name, {}).items():
        aliases.setdefault(int(version), []).append(alias)
    return [version_of(row, tags.get(row[1], {}), tuple(sorted(aliases.get(row[1], ())))) for row in rows]


def _newest(db: sqlite3.Connection, name: str, number: int, aliases: Mapping[str, int]) -> ModelVersion:
    (row,) = db.execute(VERSIONS + ONE, (name, number)).fetchall()
    tags = {key: value or "" for key, value in db.execute(_TAGS_OF_ONE, (name, number))}
    return version_of(row, tags, tuple(sorted(alias for alias, held in aliases.items() if held == number)))


def version_of(row: Any, tags: Mapping[str, str], aliases: tuple[str, ...]) -> ModelVersion:
    name, number, source, run_id, description, status, message, user, stage, created, updated = row
    return ModelVersion(
        name=name,
        version=number,
        source=source or "",
        run_id=run_id or "",
        model_id=model_id_in(source or ""),
        description=description or "",
        status=status or "READY",
        status_message=message or "",
        user=user or "",
        legacy_stage=legacy_stage(stage),
        tags=tags,
        aliases=aliases,
        created=seconds(created),
        updated=seconds(updated or created),
    )


def by_model(db: sqlite3.Connection, what: str, name: str | None = None) -> dict[str, dict[str, Any]]:
    """Return tags or aliases of one model, or of all."""
    query = {
        "tags": "SELECT name, key, value FROM registered_model_tags WHERE workspace = 'default'",
        "aliases": "SELECT name, alias, version FROM registered_model_aliases WHERE workspace = 'default'",
    }[what]
    found: dict[str, dict[str, Any]] = {}
    for owner, key, value in (
        db.execute(query) if name is None else db.execute(f"{query} AND name = ?", (name,))
    ):
        found.setdefault(owner, {})[key] = "" if value is None else value
    return found
