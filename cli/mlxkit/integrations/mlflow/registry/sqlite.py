"""The model registry of a local store, read and written directly, with what MLflow's own client would write."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from ....stacks.model_addresses import model_id_in, run_path_in
from ....stacks.registries import LoggedModel, ModelVersion, RegisteredModel
from ..backend import now_ms
from ..connection import Connection
from .rows import (
    MODELS,
    ONE,
    VERSIONS,
    by_model,
    model_of,
    must_have,
    names,
    one_version,
    with_details,
)
from .rules import IS_PROMPT, MODEL_VERSIONS, no_logged_model, no_model
from .sqlite_runs import SqliteRuns
from .tables import Tables
from .versions_note import with_version

_GONE = (
    "Deleted_Internal"  # what MLflow calls the stage of a deleted version, whose number is not given again
)


class SqliteRegistry(SqliteRuns):
    """Speaks to MLflow's SQLite tables, one short transaction a call."""

    def __init__(self, tables: Tables, to: Connection) -> None:
        super().__init__(tables, to)

    def models(self, limit: int) -> list[RegisteredModel]:
        with self._tables.reading() as db:
            rows = db.execute(
                f"{MODELS} AND NOT EXISTS (SELECT 1 FROM registered_model_tags t WHERE t.workspace = 'default' "
                "AND t.name = m.name AND t.key = ? AND t.value = 'true') ORDER BY m.name LIMIT ?",
                (IS_PROMPT, limit),
            ).fetchall()
            tags, aliases = by_model(db, "tags"), by_model(db, "aliases")
            return [model_of(db, row, tags.get(row[0], {}), aliases.get(row[0], {})) for row in rows]

    def model(self, name: str) -> RegisteredModel:
        with self._tables.reading() as db:
            row = db.execute(f"{MODELS} AND m.name = ?", (name,)).fetchone()
            if row is None:
                raise no_model(name, lambda: names(db))
            tags, aliases = by_model(db, "tags", name), by_model(db, "aliases", name)
            return model_of(db, row, tags.get(name, {}), aliases.get(name, {}))

    def versions(self, name: str, limit: int) -> list[ModelVersion]:
        with self._tables.reading() as db:
            must_have(db, name)
            rows = db.execute(f"{VERSIONS} AND name = ? ORDER BY version DESC LIMIT ?", (name, limit))
            return with_details(db, name, rows.fetchall())

    def version(self, name: str, number: int) -> ModelVersion:
        with self._tables.reading() as db:
            return one_version(db, name, number)

    def register(
        self, name: str, model: LoggedModel, description: str, tags: Mapping[str, str]
    ) -> ModelVersion:
        now = now_ms()
        with self._tables.writing() as db:
            source, location, run_id = self._source(db, model)
            db.execute(
                "INSERT INTO registered_models (name, creation_time, last_updated_time, workspace) "
                "VALUES (?, ?, ?, 'default') ON CONFLICT DO UPDATE SET last_updated_time = excluded.last_updated_time",
                (name, now, now),
            )
            (number,) = db.execute(
                "SELECT coalesce(max(version), 0) + 1 FROM model_versions WHERE workspace = 'default' AND name = ?",
                (name,),
            ).fetchone()
            db.execute(
                "INSERT INTO model_versions (name, version, creation_time, last_updated_time, description, current_stage, "
                "source, run_id, status, storage_location, workspace) "
                "VALUES (?, ?, ?, ?, ?, 'None', ?, ?, 'READY', ?, 'default')",
                (name, number, now, now, description or None, source, run_id or None, location),
            )
            _set_tags(db, name, tags, number)
            if model_id_in(source):
                _note_version(db, model_id_in(source), name, number)
            return one_version(db, name, number)

    def set_description(self, name: str, text: str, version: int | None) -> None:
        with self._tables.writing() as db:
            must_have(db, name, version)
            if version is None:
                db.execute(
                    "UPDATE registered_models SET description = ?, last_updated_time = ? "
                    "WHERE workspace = 'default' AND name = ?",
                    (text, now_ms(), name),
                )
            else:
                db.execute(
                    "UPDATE model_versions SET description = ?, last_updated_time = ? "
                    "WHERE workspace = 'default' AND name = ? AND version = ?",
                    (text, now_ms(), name, version),
                )

    def set_tags(self, name: str, tags: Mapping[str, str | None], version: int | None) -> None:
        with self._tables.writing() as db:
            must_have(db, name, version)
            _set_tags(db, name, tags, version)

    def set_alias(self, name: str, alias: str, version: int | None) -> None:
        with self._tables.writing() as db:
            must_have(db, name, version)
            if version is None:
                db.execute(
                    "DELETE FROM registered_model_aliases WHERE workspace = 'default' AND name = ? AND alias = ?",
                    (name, alias),
                )
            else:
                db.execute(
                    "INSERT INTO registered_model_aliases (name, alias, version, workspace) VALUES (?, ?, ?, 'default') "
                    "ON CONFLICT (workspace, name, alias) DO UPDATE SET version = excluded.version",
                    (name, alias, version),
                )

    def leave_stage(self, name: str, version: int) -> None:
        with self._tables.writing() as db:
            must_have(db, name, version)
            db.execute(
                "UPDATE model_versions SET current_stage = 'None', last_updated_time = ? "
                "WHERE workspace = 'default'" + ONE,
                (now_ms(), name, version),
            )

    def delete(self, name: str, version: int | None) -> None:
        with self._tables.writing() as db:
            must_have(db, name, version)
            if version is None:
                for table in _TABLES_OF_A_MODEL:
                    db.execute(f"DELETE FROM {table} WHERE workspace = 'default' AND name = ?", (name,))
                return
            db.execute(
                "DELETE FROM registered_model_aliases WHERE workspace = 'default'" + ONE, (name, version)
            )
            db.execute(
                "UPDATE registered_models SET last_updated_time = ? WHERE workspace = 'default' AND name = ?",
                (now_ms(), name),
            )
            db.execute(
                "UPDATE model_versions SET current_stage = ?, last_updated_time = ?, description = NULL, user_id = NULL, "
                "source = 'REDACTED-SOURCE-PATH', run_id = 'REDACTED-RUN-ID', run_link = 'REDACTED-RUN-LINK', "
                "status_message = NULL WHERE workspace = 'default'" + ONE,
                (_GONE, now_ms(), name, version),
            )

    def location(self, name: str, version: int) -> str:
        with self._tables.reading() as db:
            must_have(db, name, version)
            row = db.execute(
                "SELECT storage_location, source FROM model_versions WHERE workspace = 'default'" + ONE,
                (name, version),
            ).fetchone()
        return str(row[0] or row[1] or "")

    def _source(self, db: sqlite3.Connection, model: LoggedModel) -> tuple[str, str, str]:
        """Return what a version says it was made from, where those files are, and the run."""
        model_id = model_id_in(model.uri)
        if model_id:
            row = db.execute(
                "SELECT artifact_location, source_run_id FROM logged_models "
                "WHERE model_id = ? AND lifecycle_stage = 'active'",
                (model_id,),
            ).fetchone()
            if row is None:
                raise no_logged_model(model_id, self._to.name)
            return model.uri, str(row[0]), model.run_id or str(row[1] or "")
        inside = run_path_in(model.uri)
        if inside is None:
            return model.uri, model.uri, model.run_id
        run_id, path = inside
        location = f"{self._location_of_run(db, run_id).rstrip('/')}/{path}"
        return location, location, run_id


_TABLES_OF_A_MODEL = (
    "model_version_tags",
    "model_versions",
    "registered_model_tags",
    "registered_model_aliases",
    "registered_models",
)


def _set_tags(db: sqlite3.Connection, name: str, tags: Mapping[str, str | None], version: int | None) -> None:
    table, number = ("registered_model_tags", ()) if version is None else ("model_version_tags", (version,))
    column = "" if version is None else ", version"
    for key, value in tags.items():
        if value is None:
            narrow = "" if version is None else " AND version = ?"
            db.execute(
                f"DELETE FROM {table} WHERE workspace = 'default' AND key = ? AND name = ?{narrow}",
                (key, name, *number),
            )
            continue
        db.execute(
            f"INSERT INTO {table} (key, value, workspace, name{column}) VALUES (?, ?, 'default', ?{', ?' * len(number)}) "
            f"ON CONFLICT (workspace, key, name{column}) DO UPDATE SET value = excluded.value",
            (key, value, name, *number),
        )


def _note_version(db: sqlite3.Connection, model_id: str, name: str, version: int) -> None:
    """Tell the logged model which version was made from it, as MLflow's client does."""
    row = db.execute(
        "SELECT tag_value FROM logged_model_tags WHERE model_id = ? AND tag_key = ?",
        (model_id, MODEL_VERSIONS),
    ).fetchone()
    known = with_version(row[0] if row else "", name, version)
    db.execute(
        "INSERT INTO logged_model_tags (model_id, experiment_id, tag_key, tag_value) "
        "SELECT model_id, experiment_id, ?, ? FROM logged_models WHERE model_id = ? "
        "ON CONFLICT (model_id, tag_key) DO UPDATE SET tag_value = excluded.tag_value",
        (MODEL_VERSIONS, known, model_id),
    )
