"""A deployment that fails leaves nothing; one that was killed is cleared away by the next."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from mlxkit.config.paths import find_project
from mlxkit.errors import AlreadyExistsError, CredentialsError, ExitCode, MlxError
from mlxkit.integrations.mlflow.server import local
from mlxkit.integrations.mlflow.server.planning import plan_local
from mlxkit.integrations.mlflow.server.store import UNFINISHED, ServerStore
from mlxkit.integrations.mlflow.server.undo import Undo
from mlxkit.integrations.mlflow.serving.state import holder
from mlxkit.secrets.service import SecretService
from mlxkit.stacks.components import ComponentService
from tests.fixtures.mlflow_server import free_port

from .conftest import Place


def untouched(place: Place, before: str, port: int) -> None:
    """Check that nothing is there that was not there before."""
    assert (place.folder / "mlx.yaml").read_text() == before
    assert place.json("secret", "list") == []
    assert place.json("tracker", "status") == []
    servers = place.folder / ".mlx" / "servers"
    assert [path.name for path in servers.iterdir() if path.name != ".locks"] == []
    socket.create_server(("127.0.0.1", port)).close()
    listed = subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    assert str(servers) not in listed


def test_a_server_that_does_not_start_leaves_nothing(place: Place) -> None:
    before, port = (place.folder / "mlx.yaml").read_text(), free_port()
    (place.folder / "text.db").write_text("this is no database" * 100)
    done = place.mlx("tracker", "deploy", "bad", "-x", f"port={port}", "-x", "backend=sqlite:///text.db")
    assert done.returncode == ExitCode.failed
    assert "file is not a database" in done.stderr
    assert "what remains" not in done.stderr
    untouched(place, before, port)


def test_ctrl_c_while_it_starts_leaves_nothing(place: Place) -> None:
    before, port = (place.folder / "mlx.yaml").read_text(), free_port()
    deploying = place.start("tracker", "deploy", "bad", "-x", f"port={port}")
    deadline = time.monotonic() + 60
    while holder(place.server("bad")) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert place.json("tracker", "status") == []  # it is not there before it is whole
    deploying.send_signal(signal.SIGINT)
    out, _ = deploying.communicate(timeout=120)
    assert (deploying.returncode, out) == (ExitCode.interrupted, "")
    untouched(place, before, port)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ServerStore]:
    """The servers of a project in this process, with a secret store."""
    key = tmp_path / "key"
    key.write_text(base64.b64encode(os.urandom(32)).decode())
    key.chmod(0o600)
    Path("mlx.yaml").write_text("version: 1\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLX_KEYRING_KEY_FILE", str(key))
        yield ServerStore(find_project())


def test_a_login_that_is_refused_leaves_nothing(store: ServerStore, monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec("flask_wtf") is None:
        pytest.skip("mlflow[auth] is not installed: pip install 'mlflow[auth]'")
    real = local._test

    def refused(store: ServerStore, name: str) -> None:
        real(store, name)
        assert SecretService().names() == ["bad_admin"]
        assert Path("new").is_dir()
        assert Path("new.db").is_file()
        raise CredentialsError("the login was refused")

    monkeypatch.setattr(local, "_test", refused)
    plan = plan_local(store, "bad", {"backend": "sqlite:///new.db", "artifacts": "new"})
    with pytest.raises(CredentialsError) as raised:
        local.deploy(store, plan, lambda text: None)
    assert raised.value.message == "the login was refused"
    assert "bad" not in Path("mlx.yaml").read_text()
    assert [found.name for found in ComponentService(store.project).list("experiment_tracker")] == ["default"]
    assert SecretService().names() == []
    assert [path.name for path in store.root.iterdir()] == []
    assert sorted(path.name for path in Path.cwd().iterdir()) == [".mlx", "mlx.yaml"]
    socket.create_server(("127.0.0.1", plan.entry.port)).close()


def leave_unfinished(store: ServerStore, secret_key: str, held: str) -> None:
    """Make what a deployment has made that was killed before its end; `held` is the key in the secret of its name."""
    SecretService().create("x_admin", {"username": "admin", "password": "p" * 20, "secret_key": held})
    ComponentService(store.project).register(
        "experiment_tracker", "x", "mlflow", {"tracking_uri": "http://127.0.0.1:5999"}
    )
    folder = store.folder("x")
    folder.mkdir(parents=True)
    mark = {"secret": "x_admin", "proof": local._proof(secret_key), "url": "http://127.0.0.1:5999"}
    (folder / UNFINISHED).write_text(json.dumps(mark))
    (folder / "tracker.json").write_text("{}")


def test_what_a_killed_deployment_made_is_cleared_away(store: ServerStore) -> None:
    leave_unfinished(store, "k" * 64, "k" * 64)
    assert store.names() == []
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
    local.check_free(store, "x", "x_admin")
    assert holding.wait(60) != 0
    holding.stdout.close()
    assert not store.folder("x").exists()
    assert SecretService().names() == []
    assert "x" not in [found.name for found in ComponentService(store.project).list("experiment_tracker")]


def test_a_secret_of_somebody_else_with_that_name_stays(store: ServerStore) -> None:
    leave_unfinished(store, "k" * 64, "of somebody else")
    with pytest.raises(AlreadyExistsError, match="secret 'x_admin'"):
        local.check_free(store, "x", "x_admin")
    assert SecretService().value("x_admin", "secret_key") == "of somebody else"


def test_a_folder_or_a_tracker_that_is_in_the_way_stays(store: ServerStore) -> None:
    store.folder("x").mkdir(parents=True)
    (store.folder("x") / "mine.txt").write_text("mine")
    with pytest.raises(AlreadyExistsError, match="in the way"):
        local.check_free(store, "x", "x_admin")
    assert (store.folder("x") / "mine.txt").read_text() == "mine"
    ComponentService(store.project).register("experiment_tracker", "y", "mlflow", {})
    with pytest.raises(AlreadyExistsError, match="'y' already exists"):
        local.check_free(store, "y", "y_admin")


def test_undoing_goes_backwards_and_names_what_it_cannot_undo() -> None:
    done: list[str] = []

    def cannot() -> None:
        raise OSError("the disk is gone")

    with pytest.raises(MlxError) as raised, Undo() as undo:
        undo.note("the first", lambda: done.append("first"))
        undo.note("the folder /a/b", cannot)
        undo.note("the last", lambda: done.append("last"))
        raise MlxError("no")
    assert done == ["last", "first"]
    assert raised.value.message == "no\nwhat remains: the folder /a/b (the disk is gone)"
    with Undo() as undo:
        undo.note("the first", lambda: done.append("again"))
        undo.keep()
    assert done == ["last", "first"]
