"""The history database: its tables, how it is opened, and how a transaction is made."""

from __future__ import annotations

import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..config.databases import open_for_reading
from ..config.files import make_private_dir
from ..config.locks import file_lock
from ..errors import MlxError
from .migration import migrate, stand_in

VERSION = 2

_TABLES = """
CREATE TABLE runs (
  id TEXT PRIMARY KEY, name TEXT NOT NULL, pipeline TEXT NOT NULL, stack TEXT NOT NULL, status TEXT NOT NULL,
  started REAL NOT NULL, ended REAL, kind TEXT NOT NULL, file TEXT NOT NULL, parameters TEXT NOT NULL,
  metadata TEXT NOT NULL, code TEXT NOT NULL, environment TEXT NOT NULL, error TEXT NOT NULL
);
CREATE INDEX runs_by_time ON runs (started DESC);
CREATE INDEX runs_by_name ON runs (name);
CREATE INDEX runs_by_pipeline ON runs (pipeline, started DESC);
CREATE INDEX runs_open ON runs (status) WHERE status = 'running';
CREATE TABLE steps (
  id TEXT PRIMARY KEY, run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE, name TEXT NOT NULL,
  position INTEGER NOT NULL, status TEXT NOT NULL, started REAL NOT NULL, ended REAL NOT NULL,
  attempts INTEGER NOT NULL, cache_key TEXT NOT NULL, cached_from TEXT NOT NULL, reason TEXT NOT NULL,
  parameters TEXT NOT NULL, inputs TEXT NOT NULL, metadata TEXT NOT NULL, parts TEXT NOT NULL, error TEXT NOT NULL
);
CREATE INDEX steps_by_run ON steps (run_id, position);
CREATE INDEX steps_by_key ON steps (cache_key, started DESC) WHERE status = 'completed';
CREATE INDEX steps_by_name ON steps (name, started DESC);
CREATE TABLE outputs (
  step_id TEXT NOT NULL REFERENCES steps (id) ON DELETE CASCADE, name TEXT NOT NULL, position INTEGER NOT NULL,
  digest TEXT NOT NULL, materializer TEXT NOT NULL, type TEXT NOT NULL, size INTEGER NOT NULL, uri TEXT NOT NULL,
  summary TEXT NOT NULL, inline BLOB, PRIMARY KEY (step_id, name)
) WITHOUT ROWID;
CREATE INDEX outputs_by_digest ON outputs (digest);
CREATE TABLE environments (digest TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE tracker_runs (
  run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE, tracker TEXT NOT NULL, tracking_uri TEXT NOT NULL,
  tracker_run_id TEXT NOT NULL, parent INTEGER NOT NULL, is_open INTEGER NOT NULL, retry_at REAL NOT NULL DEFAULT 0,
  PRIMARY KEY (run_id, tracker_run_id)
) WITHOUT ROWID;
CREATE INDEX tracker_runs_open ON tracker_runs (is_open) WHERE is_open = 1;
"""

# `releases` is content that deleted runs referred to and that is still to be removed from the store of their stack.
# A metric's value is a number (not-a-number is the text `nan`, which SQLite would make NULL of), a param's is text.
_SINCE_2 = """
CREATE TABLE run_tags (
  run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE, tag TEXT NOT NULL, PRIMARY KEY (run_id, tag)
) WITHOUT ROWID;
CREATE INDEX run_tags_by_tag ON run_tags (tag, run_id);
CREATE TABLE run_measures (
  run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE, kind TEXT NOT NULL, key TEXT NOT NULL, value NOT NULL,
  PRIMARY KEY (run_id, kind, key)
) WITHOUT ROWID;
CREATE INDEX run_measures_by_value ON run_measures (kind, key, value, run_id);
CREATE INDEX steps_served ON steps (cache_key, started DESC) WHERE status = 'cached';
CREATE TABLE releases (stack TEXT NOT NULL, uri TEXT NOT NULL, PRIMARY KEY (stack, uri)) WITHOUT ROWID;
"""


def connect(path: Path) -> sqlite3.Connection:
    """Open the database, creating it under a lock when it is not there yet.

    WAL with synchronous=NORMAL: a commit survives the death of the process, and costs no disk flush.
    """
    fresh = not path.exists()
    try:
        if fresh:
            make_private_dir(path.parent)
            with file_lock(path.with_name(path.name + ".lock")):
                connection = _open(path)
                if _version(connection) == 0:
                    _create(connection)
        else:
            connection = _open(path)
            if _version(connection) == 0:  # another process is creating it now
                with file_lock(path.with_name(path.name + ".lock")):
                    if _version(connection) == 0:
                        _create(connection)
        if 0 < _version(connection) < VERSION:
            migrate(connection, path, _SINCE_2, VERSION)
    except sqlite3.DatabaseError as error:
        raise _unusable(path, error) from error
    return _known(connection, path)


def connect_in_memory() -> sqlite3.Connection:
    """Make an empty database that is gone with its connection."""
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.executescript(f"{_TABLES};{_SINCE_2};PRAGMA user_version = {VERSION};")
    return connection


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Open the database to read it only; where there is none yet it is an empty one, and no file is made."""
    try:
        connection = open_for_reading(path) if path.exists() else None
        if connection is None or _version(connection) == 0:  # or another process is creating it now
            connection = connect_in_memory()
        elif _version(connection) < VERSION:
            stand_in(connection, _SINCE_2)
    except sqlite3.DatabaseError as error:
        raise _unusable(path, error) from error
    connection.row_factory = sqlite3.Row
    return _known(connection, path)


def _unusable(path: Path, error: sqlite3.DatabaseError) -> MlxError:
    if isinstance(error, sqlite3.OperationalError):
        return MlxError(
            f"{path}: the run history cannot be opened: {error}",
            hint="is the disk full, or the folder read-only?",
        )
    aside = shlex.join(("mv", str(path), f"{path}.broken"))
    return MlxError(f"{path}: the run history cannot be read: {error}", hint=f"move it aside: {aside}")


def _known(connection: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    version = _version(connection)
    if version > VERSION:
        raise MlxError(
            f"{path}: written by a newer mlx (history version {version}, this one knows {VERSION})",
            hint="pip install -U mlxkit",
        )
    return connection


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _create(connection: sqlite3.Connection) -> None:
    path = connection.execute("PRAGMA database_list").fetchone()["file"]
    Path(path).chmod(0o600)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(f"BEGIN IMMEDIATE;{_TABLES};{_SINCE_2};PRAGMA user_version = {VERSION};COMMIT;")


@contextmanager
def readable(connection: sqlite3.Connection) -> Iterator[None]:
    """Say of a question that a damaged run keeps from an answer which run that is."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "malformed JSON" not in str(error):
            raise
        row = connection.execute(
            "SELECT id FROM runs WHERE NOT (json_valid(parameters) AND json_valid(metadata) AND json_valid(code)) LIMIT 1"
        ).fetchone()
        raise damaged(connection, row["id"] if row else "") from error


def damaged(connection: sqlite3.Connection, run_id: str) -> MlxError:
    """Return what is said of a run whose record is not as it was written."""
    path = connection.execute("PRAGMA database_list").fetchone()["file"]
    return MlxError(
        f"{path}: the run history cannot be read: the record of run {run_id or '(unknown)'} is damaged",
        hint=f"to give it up: sqlite3 {shlex.quote(path)} \"DELETE FROM runs WHERE id = '{run_id}'\""
        if run_id
        else None,
    )


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """One write transaction: all of it or nothing."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")
    except sqlite3.OperationalError as error:
        _roll_back(connection)
        raise MlxError(
            f"the run history cannot be written: {error}", hint="is the disk full, or the folder read-only?"
        ) from error
    except BaseException:
        _roll_back(connection)
        raise


def _roll_back(connection: sqlite3.Connection) -> None:
    """End a transaction, unless SQLite has ended it by itself."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")
