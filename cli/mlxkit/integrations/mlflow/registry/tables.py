"""MLflow's SQLite tables as the registry reads and writes them: which there are, and how they are opened."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence

from ....config.databases import open_for_reading
from ..local_store import LocalStore, unusable
from ..sqlite_backend import fits

_WRITTEN = {
    "registered_models": {"name", "creation_time", "last_updated_time", "description", "workspace"},
    "model_versions": {
        "name", "version", "creation_time", "last_updated_time", "description", "user_id", "current_stage", "source",
        "run_id", "status", "status_message", "run_link", "storage_location", "workspace",
    },
    "registered_model_tags": {"key", "value", "name", "workspace"},
    "model_version_tags": {"key", "value", "name", "version", "workspace"},
    "registered_model_aliases": {"alias", "version", "name", "workspace"},
    "logged_model_tags": {"model_id", "experiment_id", "tag_key", "tag_value"},
}  # fmt: skip
_READ = {
    "runs": {"run_uuid", "name", "status", "start_time", "end_time", "artifact_uri", "experiment_id", "lifecycle_stage"},
    "latest_metrics": {"key", "value", "is_nan", "run_uuid"},
    "params": {"key", "value", "run_uuid"},
    "tags": {"key", "value", "run_uuid"},
    "logged_models": {
        "model_id", "experiment_id", "name", "artifact_location", "creation_timestamp_ms", "status", "lifecycle_stage",
        "source_run_id",
    },
    "logged_model_metrics": {"model_id", "metric_name", "metric_timestamp_ms", "metric_step", "metric_value"},
}  # fmt: skip
_AT_ONCE = 500


class Tables:
    """The tables of one store; while there is no database they are empty ones, and no file is made."""

    def __init__(self, store: LocalStore) -> None:
        self._store = store

    @property
    def exist(self) -> bool:
        """Say whether there is a database; raises ConfigError where that cannot be seen."""
        try:
            return self._store.database.stat().st_size > 0
        except PermissionError as error:
            raise unusable(self._store.database, error) from error
        except OSError:
            return False

    def understood(self) -> bool:
        """Say whether the tables have the columns we read and write, and no further one that must be filled in."""
        with self.reading() as db:
            return (
                all(fits(db, table, columns) for table, columns in _WRITTEN.items()) and self.are_readable()
            )

    def are_readable(self) -> bool:
        """Say whether the tables of runs and logged models have the columns we read."""
        with self.reading() as db:
            return all(
                columns <= {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
                for table, columns in _READ.items()
            )

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Open the database for reading one state of it; nobody who writes has to wait."""
        if not self.exist:
            with _empty() as link:
                yield link
            return
        try:
            with contextlib.closing(open_for_reading(self._store.database)) as link:
                link.execute("BEGIN")
                yield link
        except sqlite3.Error as error:
            raise unusable(self._store.database, error) from error

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Open the database for one transaction; no other one runs meanwhile."""
        with self._store.connection() if self.exist else _empty() as link:
            yield link


def rows_for(db: sqlite3.Connection, query: str, keys: Sequence[str]) -> Iterator[tuple[object, ...]]:
    """Run a query whose `{}` stands for many keys, as many at once as SQLite takes."""
    for start in range(0, len(keys), _AT_ONCE):
        part = list(keys[start : start + _AT_ONCE])
        yield from db.execute(query.format(",".join("?" * len(part))), part)


@contextlib.contextmanager
def _empty() -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(":memory:")) as link:
        for table, columns in {**_WRITTEN, **_READ}.items():
            link.execute(f"CREATE TABLE {table} ({', '.join(sorted(columns))})")
        yield link
