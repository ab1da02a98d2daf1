"""The SQLite database of the local scenario: made once, kept at the schema of the installed MLflow."""

from __future__ import annotations

import contextlib
import logging
import shutil
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...config.files import make_private_dir, write_atomic
from ...config.locks import file_lock
from ...errors import ConfigError, MissingDependencyError, MlxError
from .connection import Connection, sqlite_uri

_MAKING = 300.0  # seconds to wait for another process that makes the database: it imports MLflow first


@dataclass(frozen=True)
class LocalStore:
    """A SQLite file that MLflow keeps its runs in, and the folder of their artifacts."""

    database: Path
    folder: Path

    @property
    def artifacts(self) -> Path:
        """Where artifacts of new experiments go."""
        return self.folder / "artifacts"

    @property
    def uri(self) -> str:
        """The address of the database."""
        return sqlite_uri(self.database)

    @property
    def artifact_root(self) -> str:
        """The address of the artifact folder."""
        return self.artifacts.absolute().as_uri()

    @property
    def _mark(self) -> Path:
        """Names the MLflow version whose schema the database is known to have."""
        return self.folder / f"{self.database.stem}.schema"

    @contextlib.contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """Open the database for one short transaction, which is committed unless something is raised."""
        try:
            link = sqlite3.connect(self.database, timeout=20, isolation_level=None)
            try:
                link.execute("BEGIN IMMEDIATE")
                yield link
                link.execute("COMMIT")
            finally:
                link.close()  # what was not committed is rolled back
        except sqlite3.Error as error:
            raise unusable(self.database, error) from error

    def ensure(self) -> None:
        """Make the database, or bring it to the installed MLflow's schema; MLflow is imported only for that.

        Processes take turns: MLflow's own migrations fail when several make one database together.
        """
        version = installed_version()
        if self._is_ready(version):
            return
        make_private_dir(self.artifacts)
        make_private_dir(self.database.parent)
        with file_lock(self.folder / f"{self.database.stem}.lock", timeout=_MAKING):
            if not self._is_ready(version):
                _migrate(self)
                write_atomic(self._mark, version.encode())

    def _is_ready(self, version: str) -> bool:
        try:
            return self.database.exists() and self._mark.read_text() == version
        except OSError:
            return False


def unusable(database: Path, error: BaseException) -> MlxError:
    """Return the error for a database that cannot be read or written."""
    return ConfigError(
        f"the MLflow database {database} cannot be used: {error}",
        hint="move it away, and the next run makes a new one",
    )


def local_store(to: Connection) -> LocalStore | None:
    """Return the store behind a tracker on SQLite, or None."""
    return LocalStore(to.database, to.folder) if to.database is not None else None


def installed_version() -> str:
    """Return the version of the installed MLflow without importing it."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("mlflow")
    except PackageNotFoundError:
        raise MissingDependencyError("mlflow is not installed", hint="pip install mlflow") from None


def _migrate(store: LocalStore) -> None:
    is_new = not store.database.exists() or store.database.stat().st_size == 0
    with _quiet():
        from mlflow.exceptions import MlflowException
        from mlflow.store.db.utils import _get_latest_schema_revision, _get_schema_version, _upgrade_db
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
        from sqlalchemy import create_engine
        from sqlalchemy.exc import SQLAlchemyError

        if not is_new:
            engine = create_engine(store.uri)
            try:
                found, wanted = _get_schema_version(engine), _get_latest_schema_revision()
            except SQLAlchemyError as error:
                raise unusable(store.database, getattr(error, "orig", None) or error) from error
            if found not in (None, wanted):
                _keep_a_copy(store)
                try:
                    _upgrade_db(engine)
                except Exception as error:
                    raise ConfigError(
                        f"{store.database} was written by another version of MLflow (schema {found}), and the installed "
                        f"{installed_version()} cannot read it",
                        hint="pip install --upgrade mlflow",
                    ) from error
            engine.dispose()
        try:
            SqlAlchemyStore(store.uri, store.artifact_root).engine.dispose()
        except MlflowException as error:
            raise ConfigError(f"{store.database}: {error.message}") from error
    if is_new:
        with contextlib.closing(sqlite3.connect(store.database)) as link:
            link.execute("PRAGMA journal_mode=WAL")
        store.database.chmod(0o600)


def _keep_a_copy(store: LocalStore) -> None:
    """Copy the database before a migration touches it; a migration is not one transaction."""
    copy = store.database.with_name(f"{store.database.name}.{time.strftime('%Y%m%d-%H%M%S')}.bak")
    with (
        contextlib.closing(sqlite3.connect(store.database)) as source,
        contextlib.closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
    shutil.copymode(store.database, copy)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence what MLflow and Alembic say about making tables."""
    logger = logging.getLogger("mlflow.store.db.utils")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with quiet_migrations():
            yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def quiet_migrations() -> Iterator[None]:
    """Silence Alembic; by a filter, because MLflow's migrations configure levels and handlers anew."""

    def is_serious(record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING

    logger = logging.getLogger("alembic.runtime.migration")
    logger.addFilter(is_serious)
    try:
        yield
    finally:
        logger.removeFilter(is_serious)
