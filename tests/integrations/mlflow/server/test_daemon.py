"""The server's own process: what it does before MLflow is there, and what it hides from its log."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mlxkit.errors import MlxError
from mlxkit.integrations.mlflow.connection import sqlite_uri
from mlxkit.integrations.mlflow.server import process
from mlxkit.integrations.mlflow.server.daemon import _hidden
from mlxkit.integrations.mlflow.server.entry import ServerEntry
from mlxkit.integrations.mlflow.server.environment import AUTH_FILE, auth_file
from mlxkit.integrations.mlflow.server.status import ServerStatus, read_status, write_status
from mlxkit.integrations.mlflow.serving.state import boot_id
from tests.fixtures.mlflow_server import free_port


def folder_of(tmp_path: Path) -> tuple[ServerEntry, Path]:
    folder = tmp_path / "team"
    folder.mkdir()
    entry = ServerEntry(
        "team", "127.0.0.1", free_port(), f"sqlite:///{folder}/m.db", str(folder), "team_admin"
    )
    (folder / "tracker.json").write_bytes(entry.dumped())
    return entry, folder


def test_nothing_is_served_when_whoever_started_it_died_before_it_had_told_the_secrets(
    tmp_path: Path,
) -> None:
    entry, folder = folder_of(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "mlxkit.integrations.mlflow.server.daemon", str(folder), "0"],
        input=b'{"secret_key": "half',
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    state, _, pid, reason = process.look(entry, folder)
    assert (state, pid) == ("failed", None)
    assert "before it had handed over the secrets" in reason


def test_a_second_process_for_the_same_folder_serves_nothing(tmp_path: Path) -> None:
    _, folder = folder_of(tmp_path)
    holding = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; from mlxkit.integrations.mlflow.serving.state import hold; "
            "lock = hold(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()",
            str(folder),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holding.stdout is not None
    assert holding.stdout.readline() == b"held\n"
    done = subprocess.run(
        [sys.executable, "-m", "mlxkit.integrations.mlflow.server.daemon", str(folder), "0"],
        input=b'{"secret_key": "k", "backend": "sqlite://"}\n',
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, read_status(folder)) == (1, None)
    holding.communicate()


def test_a_server_that_has_ended_is_not_kept_and_the_error_says_why(tmp_path: Path) -> None:
    entry, folder = folder_of(tmp_path)
    write_status(folder, ServerStatus(1, boot_id(), "failed", 1.0, reason="the disk is full"))
    ended = subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.PIPE)
    ended.wait(60)
    with pytest.raises(MlxError, match="did not start: the disk is full"):
        process.keep(ended, entry, folder)


def test_a_server_that_is_abandoned_ends_when_its_folder_is_gone(tmp_path: Path) -> None:
    entry, folder = folder_of(tmp_path)
    (folder / AUTH_FILE).write_text(auth_file(sqlite_uri(folder / "auth.db")))
    listener = socket.create_server(("127.0.0.1", entry.port))
    told = {"secret_key": "k" * 64, "backend": entry.backend, "password": "p" * 20}
    started = process.launch(folder, told, listener)
    try:
        process.wait_until_ready(entry, folder, started)
        shutil.rmtree(folder)
        assert started.stdin is not None
        started.stdin.close()
        assert started.wait(60) == 1
    finally:
        process.end(started)


def test_every_form_of_a_password_is_hidden_in_the_log_and_the_path_of_a_file_is_not() -> None:
    told = {
        "secret_key": "the-key",
        "password": "the-word",
        "backend": "postgresql+psycopg2://ada:p%40ss@h/db",
    }
    assert {"the-key", "the-word", "p%40ss", "p@ss", told["backend"]} <= set(_hidden(told))
    assert _hidden({"secret_key": "the-key", "backend": "sqlite:////data/mlflow.db"}) == ["the-key"]


def test_a_status_that_is_damaged_is_none(tmp_path: Path) -> None:
    status = ServerStatus(os.getpid(), boot_id(), "stopped", 1.0, "3.17.2")
    write_status(tmp_path, status)
    assert read_status(tmp_path) == status
    for damage in (b"", b"[]", b"{}", b'{"pid": "x"}', b"\xff", b"[" * 100_000):
        (tmp_path / "server.json").write_bytes(damage)
        assert read_status(tmp_path) is None
