"""A deployment that fails leaves nothing; one that was killed is cleared away by the next."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from mlxkit.errors import CredentialsError, ExitCode, MlxError
from mlxkit.integrations.mlflow.server import local
from mlxkit.integrations.mlflow.server.planning import held, plan_local
from mlxkit.integrations.mlflow.server.store import ServerStore
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


def deploying(place: Place, name: str, port: int, *more: str) -> subprocess.Popen[str]:
    """Start a deployment and return when its server's process is there."""
    process = place.start("tracker", "deploy", name, "-x", f"port={port}", *more)
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
    process = deploying(place, "bad", port, "-x", f"backend=sqlite:///{place.folder}/other.db")
    process.kill()
    process.communicate(timeout=60)
    deadline = time.monotonic() + 60
    while holder(place.server("bad")) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    [record] = place.json("tracker", "status")
    assert (record["name"], record["state"], record["pid"]) == ("bad", "failed", None)
    assert record["reason"] == "deploying was interrupted"
    assert (place.folder / "other.db").exists()
    started = place.mlx("tracker", "start", "bad")
    assert started.returncode == ExitCode.failed
    assert "mlx tracker deploy bad" in started.stderr
    assert "the command that started it was interrupted" in (place.server("bad") / "server.json").read_text()
    stopped = place.mlx("tracker", "stop", "bad")
    assert stopped.returncode == 0, stopped.stderr
    assert "cleared away" in stopped.stderr
    assert list(place.folder.glob("other.db*")) == []
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


@pytest.mark.parametrize("signalled", ["vault.create", "components.register"])
def test_a_signal_as_soon_as_something_is_made_leaves_nothing(
    store: ServerStore, monkeypatch: pytest.MonkeyPatch, signalled: str
) -> None:
    owner, method = {
        "vault.create": (SecretService, "create"),
        "components.register": (ComponentService, "register"),
    }[signalled]
    real = getattr(owner, method)

    def made(*argv: Any, **options: Any) -> Any:
        done = real(*argv, **options)
        signal.raise_signal(signal.SIGTERM)
        return done

    monkeypatch.setattr(owner, method, made)
    monkeypatch.setattr(local, "_launch_first", lambda plan, told: None)
    with held(store, plan_local(store, "bad", {})) as plan, pytest.raises(SystemExit) as raised:
        local.deploy(store, plan, lambda text: None)
    assert raised.value.code == ExitCode.terminated
    assert SecretService().names() == []
    assert [found.name for found in ComponentService(store.project).list("experiment_tracker")] == ["default"]
    assert not store.folder("bad").exists()


def test_a_secret_that_cannot_be_deleted_now_can_be_later(
    store: ServerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*_: object) -> None:
        raise CredentialsError("the store is locked")

    with (
        monkeypatch.context() as patch,
        held(store, plan_local(store, "bad", {})) as plan,
        pytest.raises(MlxError) as raised,
    ):
        patch.setattr(SecretService, "delete", cannot)
        patch.setattr(local, "_launch_first", lambda plan, told: signal.raise_signal(signal.SIGINT))
        local.deploy(store, plan, lambda text: None)
    assert raised.value.exit_code == ExitCode.interrupted
    assert "what remains" in raised.value.message
    assert "mlx tracker stop bad" in raised.value.message
    assert "the store is locked" in raised.value.message
    local.clear_unfinished(store, "bad")
    assert SecretService().names() == []
    assert not store.folder("bad").exists()


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


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, ExitCode.interrupted), (signal.SIGTERM, ExitCode.terminated)],
)
def test_what_remains_is_named_after_a_signal_too(number: signal.Signals, code: ExitCode) -> None:
    def cannot() -> None:
        raise OSError("the disk is gone")

    with pytest.raises(MlxError) as raised, Undo() as undo:
        undo.note("the folder /a/b", cannot)
        signal.raise_signal(number)
    assert raised.value.message.endswith("\nwhat remains: the folder /a/b (the disk is gone)")
    assert raised.value.exit_code == code


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
