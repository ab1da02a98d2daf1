"""The SQLite database of the local scenario: made once, kept at the schema of the installed MLflow."""

from __future__ import annotations

import contextlib
import logging
import shlex
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from ...config.databases import why_not
from ...config.files import make_private_dir, write_atomic
from ...config.locks import file_lock
from ...dataclass import dataclass
from ...errors import ConfigError, MissingDependencyError, MlxError
from .connection import Connection, sqlite_uri

_SAMPLES = (
    "SELECT * FROM experiments ORDER BY rowid DESC LIMIT 1",
    "SELECT * FROM runs ORDER BY rowid DESC LIMIT 1",
    "SELECT * FROM params ORDER BY rowid DESC LIMIT 1",
    "SELECT * FROM tags ORDER BY rowid DESC LIMIT 1",
    "SELECT * FROM latest_metrics ORDER BY rowid DESC LIMIT 1",
)
_EXAMINED_WHOLE = 64 * 1024 * 1024  # bytes: some tenths of a second
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
        from .forking import calls  # which knows of the steps that run

        try:
            with calls.lock:  # this process must not fork meanwhile
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

    def check(self) -> None:
        """Raise when there is a database and it cannot be read; one that is still to be made, in a folder there is, is fine."""
        if self.database.exists():
            with self.connection() as link:
                link.execute("SELECT version_num FROM alembic_version").fetchone()
        elif self.database.parent != self.folder.absolute() and not self.database.parent.is_dir():
            raise ConfigError(
                f"the MLflow database {self.database} cannot be made: there is no folder {self.database.parent}",
                hint=f"mkdir -p {shlex.quote(str(self.database.parent))}",
            )

    def examine(self) -> None:
        """Do what `check` does, and read the tables that runs are kept in."""
        self.check()
        if not self.database.exists():
            return
        with self.connection() as link:
            for query in _SAMPLES:
                link.execute(query).fetchone()
            if self.database.stat().st_size < _EXAMINED_WHOLE:
                found = link.execute("PRAGMA quick_check(1)").fetchone()[0]
                if found != "ok":
                    raise sqlite3.DatabaseError(str(found))

    def _is_ready(self, version: str) -> bool:
        try:
            return self.database.exists() and self._mark.read_text() == version
        except OSError:
            return False


def unusable(database: Path, error: BaseException) -> MlxError:
    """Return the error for a database that cannot be read or written; only what is none is to be moved away."""
    denied = why_not(database)
    if denied is not None:
        return ConfigError(
            f"the MLflow database cannot be used: {denied}",
            hint=f"ls -ld {shlex.quote(str(database.parent))}",
        )
    is_none = isinstance(error, sqlite3.DatabaseError) and "not a database" in str(error)
    return ConfigError(
        f"the MLflow database {database} cannot be used: {error}",
        hint="move it away, and the next run makes a new one" if is_none else None,
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
    """Make the database, or migrate it; a migration is many transactions, so it is never done on the file itself.

    What is killed half-way leaves the database as it was, and a draft that the next attempt throws away.
    """
    draft = store.database.with_name(f"{store.database.name}.draft")
    _throw_away(draft)
    is_new = not store.database.exists() or store.database.stat().st_size == 0
    try:
        with _quiet():
            if not is_new:
                if not _needs_migration(store.database):
                    return
                _keep_a_copy(store)
                _copy(store.database, draft)
            _build(draft, store)
        with contextlib.closing(sqlite3.connect(draft)) as link:
            link.execute("PRAGMA journal_mode=WAL")
        draft.chmod(0o600)
        for name in _beside(store.database):  # a log of the old file must not be applied to the new one
            name.unlink(missing_ok=True)
        draft.replace(store.database)
    finally:
        _throw_away(draft)


def _needs_migration(database: Path) -> bool:
    from mlflow.store.db.utils import _get_latest_schema_revision, _get_schema_version
    from sqlalchemy import create_engine
    from sqlalchemy.exc import SQLAlchemyError

    engine = create_engine(sqlite_uri(database))
    try:
        return bool(_get_schema_version(engine) != _get_latest_schema_revision())
    except SQLAlchemyError as error:
        raise unusable(database, getattr(error, "orig", None) or error) from error
    finally:
        engine.dispose()


def _build(draft: Path, store: LocalStore) -> None:
    """Bring a draft to the schema of the installed MLflow."""
    from mlflow.exceptions import MlflowException
    from mlflow.store.db.utils import _get_schema_version, _upgrade_db
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from sqlalchemy import create_engine

    if draft.exists():
        engine = create_engine(sqlite_uri(draft))
        try:
            if _get_schema_version(engine) is not None:  # an empty one is filled by the store itself
                _upgrade_db(engine)
        except Exception as error:
            raise ConfigError(
                f"{store.database} was written by another version of MLflow, and the installed "
                f"{installed_version()} cannot read it: {error}",
                hint="pip install --upgrade mlflow",
            ) from error
        finally:
            engine.dispose()
    try:
        SqlAlchemyStore(sqlite_uri(draft), store.artifact_root).engine.dispose()
    except MlflowException as error:
        raise ConfigError(f"{store.database}: {error.message}") from error


def _copy(source: Path, target: Path) -> None:
    with (
        contextlib.closing(sqlite3.connect(source)) as old,
        contextlib.closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)


def _beside(database: Path) -> list[Path]:
    """Return SQLite's own files next to a database."""
    return [database.with_name(database.name + suffix) for suffix in ("-wal", "-shm", "-journal")]


def _throw_away(draft: Path) -> None:
    for path in (draft, *_beside(draft)):
        path.unlink(missing_ok=True)


def _keep_a_copy(store: LocalStore) -> None:
    """Copy the database before another schema takes its place."""
    copy = store.database.with_name(f"{store.database.name}.{time.strftime('%Y%m%d-%H%M%S')}.bak")
    _copy(store.database, copy)
    copy.chmod(0o600)


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
