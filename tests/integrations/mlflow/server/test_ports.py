"""Whose port it is: taken before anybody can be told a password, handed on, and never anybody else's in between."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest

from mlxkit.errors import ExitCode, MlxError
from mlxkit.integrations.mlflow.server import local, process
from mlxkit.integrations.mlflow.server.planning import held, plan_local
from mlxkit.integrations.mlflow.server.store import ServerStore
from mlxkit.integrations.mlflow.serving.state import holder

from .conftest import Place


def test_two_deployments_at_once_make_two_servers_each_with_its_own_password(place: Place) -> None:
    deploying = [place.start("tracker", "deploy", name) for name in ("ra", "rb")]
    told = [process.communicate(timeout=300) for process in deploying]
    assert [process.returncode for process in deploying] == [0, 0], told
    urls = [place.json("tracker", "status", name)["url"] for name in ("ra", "rb")]
    assert len(set(urls)) == 2
    for name in ("ra", "rb"):
        assert place.json("tracker", "test", name)["credentials"] == "accepted"
        assert place.mlx("tracker", "stop", name).returncode == 0


def test_nobody_else_can_listen_from_the_choice_of_the_port_to_the_end_of_the_server(
    store: ServerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    if find_spec("flask_wtf") is None:
        pytest.skip("mlflow[auth] is not installed: pip install 'mlflow[auth]'")
    refused: list[str] = []

    def steal(when: str, port: int) -> None:
        for host in ("127.0.0.1", "0.0.0.0"):
            try:
                socket.create_server((host, port)).close()
            except OSError:
                refused.append(when)

    real_launch, real_test = process.launch, local._test

    def launch(folder: Path, told: Mapping[str, str], listener: socket.socket) -> subprocess.Popen[bytes]:
        steal("before", plan.entry.port)
        started = real_launch(folder, told, listener)
        steal("after", plan.entry.port)  # its process is hardly there
        return started

    def test(store: ServerStore, name: str) -> None:
        steal("asked", plan.entry.port)
        assert holder(store.folder(name))
        real_test(store, name)

    monkeypatch.setattr(process, "launch", launch)
    monkeypatch.setattr(local, "_test", test)
    with held(store, plan_local(store, "mine", {})) as plan:
        steal("planned", plan.entry.port)
        local.deploy(store, plan, lambda text: None)
    try:
        assert refused == ["planned"] * 2 + ["before"] * 2 + ["after"] * 2 + ["asked"] * 2
    finally:
        local.stop(store, "mine")
    socket.create_server(("127.0.0.1", plan.entry.port)).close()


def test_two_plans_at_once_do_not_take_the_same_port(store: ServerStore) -> None:
    with held(store, plan_local(store, "a", {})) as first, held(store, plan_local(store, "b", {})) as second:
        assert first.entry.port != second.entry.port
        with pytest.raises(MlxError, match=f"port {first.entry.port} is taken"):
            held(store, plan_local(store, "c", {"port": str(first.entry.port)})).__enter__()
    with held(store, plan_local(store, "c", {"port": str(first.entry.port)})) as third:
        assert third.attributes["tracking_uri"] == f"http://127.0.0.1:{first.entry.port}"


def test_a_port_that_the_running_server_of_that_name_has_is_not_blamed_on_another_program(
    place: Place,
) -> None:
    done = place.mlx("tracker", "deploy", "team")
    assert done.returncode == 0, done.stderr
    port = place.json("tracker", "status", "team")["url"].rpartition(":")[2]
    for more in ((), ("--dry-run",)):
        again = place.mlx("tracker", "deploy", "team", "-x", f"port={port}", *more)
        assert again.returncode == ExitCode.failed
        assert "is deployed already" in again.stderr
        assert "another program" not in again.stderr
    # What was never finished is cleared away before its port is looked at.
    folder = place.server("team")
    (folder / "deploying.json").write_text(
        json.dumps({"secret": "team_admin", "proof": "", "url": f"http://127.0.0.1:{port}"})
    )
    dry = place.mlx("tracker", "deploy", "team", "-x", f"port={port}", "--dry-run")
    assert "another program" not in dry.stderr
    again = place.mlx("tracker", "deploy", "team", "-x", f"port={port}")
    assert "another program" not in again.stderr
    assert "already exists" in again.stderr  # the secret, of which nothing proves that it is ours
    assert not folder.exists()
    assert holder(folder) is None
