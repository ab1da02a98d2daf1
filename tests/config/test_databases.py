"""A database is read where nothing can be written, and never as less than it is."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mlxkit.config import databases
from mlxkit.config.databases import open_for_reading


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "with ? and %20.db"
    with closing(sqlite3.connect(made)) as link:
        link.execute("PRAGMA journal_mode = WAL")
        link.execute("CREATE TABLE things (name TEXT)")
        link.execute("INSERT INTO things VALUES ('one')")
        link.commit()
    return made


def test_reading_sees_what_others_write_and_changes_nothing(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other, closing(open_for_reading(path)) as link:
        other.execute("INSERT INTO things VALUES ('two')")
        other.commit()
        assert link.execute("SELECT count(*) FROM things").fetchone() == (2,)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            link.execute("DELETE FROM things")
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        open_for_reading(tmp_path / "none.db")
    assert list(tmp_path.iterdir()) == []


def test_what_is_still_in_a_log_is_not_left_out_where_the_log_cannot_be_read(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "elsewhere" / "copy.db"
    copy.parent.mkdir()
    with closing(sqlite3.connect(path)) as other:
        other.execute("INSERT INTO things VALUES ('two')")
        other.commit()
        for suffix in ("", "-wal"):
            shutil.copy(f"{path}{suffix}", f"{copy}{suffix}")
    real = databases._opened

    def refused(path: Path, how: str) -> sqlite3.Connection:
        if "immutable" not in how:
            raise sqlite3.OperationalError("unable to open database file")
        return real(path, how)

    monkeypatch.setattr(databases, "_opened", refused)
    monkeypatch.setattr(databases, "_can_write", lambda path: False)
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        open_for_reading(copy)
    Path(f"{copy}-wal").unlink()
    with closing(open_for_reading(copy)) as link:
        assert link.execute("SELECT count(*) FROM things").fetchone() == (1,)
