"""Histories that an older mlx wrote: brought up to date, with a copy set aside, or read as they are."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

from ..config.locks import file_lock

_COPYING = 300.0  # seconds to wait for another process that migrates: it copies the whole file first


def migrate(connection: sqlite3.Connection, path: Path, tables: str, version: int) -> None:
    """Add the tables of a newer version, after the database was copied to a dated file beside it.

    All of it or nothing: processes take turns, and one that is killed leaves the old version to the next.
    """
    with file_lock(path.with_name(path.name + ".lock"), timeout=_COPYING):
        found = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if found >= version:
            return  # another process was faster
        _set_aside(connection, path, found)
        try:
            connection.executescript(f"BEGIN IMMEDIATE;{tables};PRAGMA user_version = {version};COMMIT;")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def stand_in(connection: sqlite3.Connection, tables: str) -> None:
    """Give a history that may only be read the tables it lacks, empty and in memory."""
    connection.execute("PRAGMA query_only = OFF")
    connection.execute("PRAGMA temp_store = MEMORY")
    for statement in tables.split(";"):
        if statement.strip().startswith("CREATE TABLE "):  # what is empty needs no index
            connection.execute(statement.replace("CREATE TABLE ", "CREATE TEMP TABLE "))
    connection.execute("PRAGMA query_only = ON")


def _set_aside(connection: sqlite3.Connection, path: Path, version: int) -> None:
    """Copy the database, what its log holds included, to `history.db.v1-DATE`."""
    now = datetime.now(timezone.utc)
    target = path.with_name(f"{path.name}.v{version}-{now:%Y%m%dT%H%M%S%f}Z")
    draft = path.with_name(f".{path.name}.migration.tmp")  # that of a killed process is written over
    draft.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(draft)) as copy:
        connection.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, whole by itself
    draft.replace(target)
