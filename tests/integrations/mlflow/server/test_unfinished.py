"""What a deployment that was killed has made is taken away, and nothing of anybody else's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlxkit.errors import AlreadyExistsError, MlxError
from mlxkit.integrations.mlflow.server import local
from mlxkit.integrations.mlflow.server.ownership import make_file, proof_of
from mlxkit.integrations.mlflow.server.service import MlflowServers
from mlxkit.integrations.mlflow.server.store import UNFINISHED, ServerStore
from mlxkit.secrets.service import SecretService
from mlxkit.stacks.components import ComponentService


def leave_unfinished(store: ServerStore, secret_key: str, held: str) -> None:
    """Make what a deployment has made that was killed before its end; `held` is the key in the secret of its name."""
    SecretService().create("x_admin", {"username": "admin", "password": "p" * 20, "secret_key": held})
    ComponentService(store.project).register(
        "experiment_tracker", "x", "mlflow", {"tracking_uri": "http://127.0.0.1:5999"}
    )
    folder = store.folder("x")
    folder.mkdir(parents=True)
    mark = {"secret": "x_admin", "proof": proof_of(secret_key), "url": "http://127.0.0.1:5999"}
    (folder / UNFINISHED).write_text(json.dumps(mark))
    (folder / "tracker.json").write_text("{}")


def test_what_a_killed_deployment_made_is_cleared_away(store: ServerStore) -> None:
    leave_unfinished(store, "k" * 64, "k" * 64)
    assert store.names() == ["x"]
    holding = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from pathlib import Path; from mlxkit.integrations.mlflow.serving.state import hold; "
            "lock = hold(Path(sys.argv[1])); print('held', flush=True); time.sleep(600)",
            str(store.folder("x")),
        ],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert holding.stdout is not None
    assert holding.stdout.readline() == b"held\n"
    with pytest.raises(AlreadyExistsError):  # as a dry run does, without the lock
        local.check_free(store, "x", "x_admin")
    assert holding.poll() is None
    assert (store.folder("x") / UNFINISHED).exists()
    local.clear_unfinished(store, "x")
    local.check_free(store, "x", "x_admin")
    assert holding.wait(60) != 0
    holding.stdout.close()
    assert not store.folder("x").exists()
    assert SecretService().names() == []
    assert "x" not in [found.name for found in ComponentService(store.project).list("experiment_tracker")]


def test_a_secret_of_somebody_else_with_that_name_stays(store: ServerStore) -> None:
    leave_unfinished(store, "k" * 64, "of somebody else")
    local.clear_unfinished(store, "x")
    with pytest.raises(AlreadyExistsError, match="secret 'x_admin'"):
        local.check_free(store, "x", "x_admin")
    assert SecretService().value("x_admin", "secret_key") == "of somebody else"


def marked(store: ServerStore, outside: dict[str, str]) -> None:
    store.folder("x").mkdir(parents=True)
    (store.folder("x") / UNFINISHED).write_text(
        json.dumps({"secret": "x_admin", "proof": "", "url": "", "outside": outside})
    )


def test_a_database_elsewhere_is_removed_and_one_that_another_put_there_stays(
    store: ServerStore, tmp_path: Path
) -> None:
    ours, wal, other, folder = (
        tmp_path / name for name in ("ours.db", "ours.db-wal", "other.db", "artifacts")
    )
    known_by = make_file(ours)
    ours.write_text("tables")
    wal.write_text("more")
    other.write_text("of somebody else")
    folder.mkdir()
    assert make_file(other) == ""
    missing = str(tmp_path / "never.db")
    marked(store, {str(ours): known_by, str(other): "1:1", str(folder): "", missing: ""})
    local.clear_unfinished(store, "x")
    assert [path.exists() for path in (ours, wal, other, folder)] == [False, False, True, False]
    marked(store, {str(other): ""})  # killed before it had made it
    local.clear_unfinished(store, "x")
    assert other.read_text() == "of somebody else"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    marked(store, {str(folder): ""})
    with pytest.raises(MlxError, match="artifacts"):
        local.clear_unfinished(store, "x")
    assert (folder / "mine.txt").exists()
    assert not store.folder("x").exists()


def test_what_was_never_finished_is_cleared_before_the_next_is_deployed_and_not_by_a_dry_run(
    store: ServerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_unfinished(store, "k" * 64, "k" * 64)
    servers = MlflowServers(store.project, lambda text: None)
    real = local.check_free
    assert servers.deploy("x", "local", {}, dry_run=True, confirm=lambda text: None).dry_run
    assert (store.folder("x") / UNFINISHED).exists()

    def looked(*argv: Any) -> None:
        assert not store.folder("x").exists()
        assert SecretService().names() == []
        real(*argv)
        raise MlxError("enough")

    monkeypatch.setattr(local, "check_free", looked)
    with pytest.raises(MlxError, match="enough"):
        servers.deploy("x", "local", {}, dry_run=False, confirm=lambda text: None)


def test_a_folder_or_a_tracker_that_is_in_the_way_stays(store: ServerStore) -> None:
    store.folder("x").mkdir(parents=True)
    (store.folder("x") / "mine.txt").write_text("mine")
    with pytest.raises(AlreadyExistsError, match="in the way"):
        local.check_free(store, "x", "x_admin")
    assert (store.folder("x") / "mine.txt").read_text() == "mine"
    ComponentService(store.project).register("experiment_tracker", "y", "mlflow", {})
    with pytest.raises(AlreadyExistsError, match="'y' already exists"):
        local.check_free(store, "y", "y_admin")
