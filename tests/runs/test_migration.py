from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlxkit.errors import MlxError
from mlxkit.runs.history import History, history_path
from mlxkit.runs.queries import RunQueries
from tests.conftest import Result

# The tables as the first release made them.
VERSION_1 = """
PRAGMA journal_mode = WAL;
BEGIN;
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
PRAGMA user_version = 1;
INSERT INTO runs VALUES ('aaaa1111', 'first', 'train', 'local', 'completed', 1e9, 1000000002.0, 'pipeline', 'p.py',
  '{"lr":0.5}', '{"note":"kept"}', '{"commit":"c0ffee"}', 'e1', '');
INSERT INTO environments VALUES ('e1', '{"python":"3.11"}');
INSERT INTO steps VALUES ('s1', 'aaaa1111', 'fit', 0, 'completed', 1e9, 1000000001.0, 1, 'key', '', 'first', '{}', '{}', '{}', '{}', '');
INSERT INTO outputs VALUES ('s1', 'output', 0, 'd1', 'json', 'builtins.int', 1, '', '{}', x'31');
INSERT INTO tracker_runs VALUES ('aaaa1111', 't', 'sqlite:///x', 'm1', 1, 0, 0);
COMMIT;
"""

OPEN = "import sys; from pathlib import Path; from mlxkit.runs.history import History; History(Path(sys.argv[1]))"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    state_dir = tmp_path / "state"
    state_dir.mkdir(mode=0o700)
    _make(history_path(state_dir))
    return state_dir


def _make(path: Path) -> None:
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript(VERSION_1)
    db.close()
    path.chmod(0o600)


def _backups(state_dir: Path) -> list[Path]:
    return sorted(state_dir.glob("history.db.v1-*"))


def test_a_history_of_version_1_is_copied_aside_and_gets_the_new_tables(old: Path) -> None:
    history = History(old)
    queries = RunQueries(history)
    assert history.connection.execute("PRAGMA user_version").fetchone()[0] == 2
    found = queries.get("aaaa1111")
    assert (found.parameters, found.metadata, found.tags) == ({"lr": 0.5}, {"note": "kept"}, ())
    assert queries.steps("aaaa1111")[0].outputs[0].inline == b"1"
    history.finish_run(
        "aaaa1111", "completed", measured=({"loss": 0.25, "gone": float("nan")}, {"depth": "3"})
    )
    assert queries.metrics("aaaa1111")["loss"] == 0.25
    assert queries.metrics("aaaa1111")["gone"] != queries.metrics("aaaa1111")["gone"]
    assert queries.logged_params("aaaa1111") == {"depth": "3"}
    (backup,) = _backups(old)
    assert backup.stat().st_mode & 0o777 == 0o600
    copy = sqlite3.connect(backup)
    assert copy.execute("PRAGMA user_version").fetchone()[0] == 1
    assert copy.execute("SELECT name FROM runs").fetchall() == [("first",)]
    History(old)
    assert _backups(old) == [backup]


def test_what_is_still_in_the_log_of_another_process_is_in_the_copy(old: Path) -> None:
    other = sqlite3.connect(history_path(old), isolation_level=None)
    other.execute("UPDATE runs SET name = 'late'")
    assert (old / "history.db-wal").stat().st_size > 0
    History(old)
    assert sqlite3.connect(_backups(old)[0]).execute("SELECT name FROM runs").fetchall() == [("late",)]
    other.execute("UPDATE runs SET name = 'later'")  # an older mlx that still has it open goes on
    assert RunQueries(History(old)).get("latest").name == "later"


def test_two_processes_that_migrate_at_once_make_one_copy_and_both_go_on(old: Path) -> None:
    both = [
        subprocess.Popen([sys.executable, "-c", OPEN, str(old)], stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert [(process.communicate(timeout=60)[1], process.returncode) for process in both] == [("", 0)] * 4
    assert len(_backups(old)) == 1
    assert RunQueries(History(old)).get("latest").name == "first"


def test_a_migration_that_fails_leaves_version_1_and_the_next_one_does_it(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlxkit.runs.schema._SINCE_2", "CREATE TABLE run_tags (a); CREATE TABLE run_tags (a)")
    with pytest.raises(MlxError, match="history"):
        History(old)
    db = sqlite3.connect(history_path(old))
    assert db.execute("PRAGMA user_version").fetchone()[0] == 1
    assert db.execute("SELECT name FROM sqlite_master WHERE name = 'run_tags'").fetchone() is None
    monkeypatch.undo()
    assert RunQueries(History(old)).tags("aaaa1111") == []


def test_a_copy_that_a_killed_process_left_half_done_is_made_anew(old: Path) -> None:
    (old / ".history.db.migration.tmp").write_bytes(b"half")
    History(old)
    (backup,) = _backups(old)
    assert sqlite3.connect(backup).execute("SELECT id FROM runs").fetchall() == [("aaaa1111",)]
    assert not (old / ".history.db.migration.tmp").exists()


def test_a_read_only_history_of_version_1_is_read_with_the_missing_tables_empty(
    mlx: Callable[..., Result], mlx_read_only: Callable[..., Result]
) -> None:
    mlx("init")
    state_dir = Path(".mlx")
    state_dir.mkdir(mode=0o700, exist_ok=True)
    _make(history_path(state_dir))
    before = history_path(state_dir).read_bytes()
    listed = mlx_read_only("runs", "list", "-o", "json")
    assert listed.code == 0, listed.stderr
    assert [(row["name"], row["tags"]) for row in json.loads(listed.stdout)] == [("first", [])]
    assert mlx_read_only("runs", "describe", "first").code == 0
    assert history_path(state_dir).read_bytes() == before
    assert _backups(state_dir) == []
