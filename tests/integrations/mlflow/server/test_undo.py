"""A deployment that fails leaves nothing; one that was killed is cleared away by the next."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from mlxkit.errors import AlreadyExistsError, CredentialsError, ExitCode, MlxError
from mlxkit.integrations.mlflow.server import local
from mlxkit.integrations.mlflow.server.planning import held, plan_local
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
    (place.folder / "text.db").write_text("SQLite format 3\0" + "but that is all that it has of one" * 100)
    done = place.mlx("tracker", "deploy", "bad", "-x", f"port={port}", "-x", "backend=sqlite:///text.db")
    assert done.returncode == ExitCode.failed
    assert "file is not a database" in done.stderr
    assert "what remains" not in done.stderr
    untouched(place, before, port)


def deploying(place: Place, name: str, port: int) -> subprocess.Popen[str]:
    """Start a deployment and return when its server's process is there."""
    process = place.start("tracker", "deploy", name, "-x", f"port={port}")
    deadline = time.monotonic() + 60
    while holder(place.server(name)) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert holder(place.server(name)) is not None
    return process


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, ExitCode.interrupted),
        (signal.SIGTERM, ExitCode.terminated),
        (signal.SIGHUP, ExitCode.terminated),
    ],
)
def test_a_signal_while_it_starts_leaves_nothing(
    place: Place, number: signal.Signals, code: ExitCode
) -> None:
    before, port = (place.folder / "mlx.yaml").read_text(), free_port()
    process = deploying(place, "bad", port)
    assert place.json("tracker", "status") == []  # it is not there before it is whole
    process.send_signal(number)
    out, told = process.communicate(timeout=120)
    assert (process.returncode, out, "Traceback" in told) == (code, "", False)
    untouched(place, before, port)


def test_of_one_that_was_killed_its_server_ends_and_stop_takes_the_rest(place: Place) -> None:
    before, port = (place.folder / "mlx.yaml").read_text(), free_port()
    process = deploying(place, "bad", port)
    process.kill()
    process.communicate(timeout=60)
    deadline = time.monotonic() + 60
    while holder(place.server("bad")) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    [record] = place.json("tracker", "status")
    assert (record["name"], record["state"], record["pid"]) == ("bad", "failed", None)
    assert record["reason"] == "deploying was interrupted"
    started = place.mlx("tracker", "start", "bad")
    assert started.returncode == ExitCode.failed
    assert "mlx tracker deploy bad" in started.stderr
    assert "the command that started it was interrupted" in (place.server("bad") / "server.json").read_text()
    stopped = place.mlx("tracker", "stop", "bad")
    assert stopped.returncode == 0, stopped.stderr
    assert "cleared away" in stopped.stderr
    untouched(place, before, port)


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
    with (
        held(store, plan_local(store, "bad", {"backend": "sqlite:///new.db", "artifacts": "new"})) as plan,
        pytest.raises(CredentialsError) as raised,
    ):
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


def test_a_hang_up_is_undone_once_however_often_it_is_said_and_not_at_all_under_nohup() -> None:
    done: list[str] = []
    before = signal.getsignal(signal.SIGHUP)

    def step() -> None:
        signal.raise_signal(signal.SIGHUP)  # the terminal says it, and the shell does too
        done.append("undone")

    with pytest.raises(SystemExit) as raised, Undo() as undo:
        undo.note("it", step)
        signal.raise_signal(signal.SIGHUP)
        done.append("went on")
    assert (done, raised.value.code) == (["undone"], ExitCode.terminated)
    assert signal.getsignal(signal.SIGHUP) is before
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Undo() as undo:
            undo.note("it", step)
            signal.raise_signal(signal.SIGHUP)
            undo.keep()
            done.append("went on")
    finally:
        signal.signal(signal.SIGHUP, before)
    assert done == ["undone", "went on"]
