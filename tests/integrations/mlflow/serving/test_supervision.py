"""What goes wrong around a server: it goes on, and serves nothing that was taken back."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlxkit.errors import MlxError
from mlxkit.integrations.mlflow.serving import asking
from mlxkit.integrations.mlflow.serving.deployer import MlflowDeployer
from mlxkit.integrations.mlflow.serving.state import Wanted, read_status, read_wanted, write_wanted
from mlxkit.secrets.value import SecretValue
from mlxkit.stacks.deployers import ServeSpec

from .conftest import Serve, Server, eventually
from .test_lifecycle import processes
from .test_swap import CHANGE

pytestmark = pytest.mark.integration


def workers(server: Server) -> list[int]:
    return [pid for pid in processes(server.folder) if pid != server.deployer.serving(server.folder).pid]


def supervisor(server: Server) -> int:
    pid = server.deployer.serving(server.folder).pid
    assert pid
    return pid


def test_a_full_disk_ends_nothing(serve: Serve, models: Path) -> None:
    server = serve(models / "one")
    pid = supervisor(server)
    # As on a full disk every write to a file fails; unlike one, it can be had for a single process.
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    os.kill(workers(server)[0], signal.SIGKILL)
    assert server.ask()[0] == 200
    assert server.ask('{"inputs": ["print:lost"]}')[0] == 200
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert server.ask('{"inputs": ["print:kept"]}')[0] == 200
    eventually(lambda: "kept" in server.log)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    server.deployer.stop(server.folder)
    now = server.deployer.serving(server.folder)
    assert (now.state, now.reason) == ("stopped", "")
    assert "Traceback" not in server.log


def test_a_folder_that_is_away_for_a_while_is_waited_for(serve: Serve, models: Path) -> None:
    server = serve(models / "one")
    pid, worker = supervisor(server), workers(server)[0]
    away = server.folder.with_name("away")
    server.folder.rename(away)
    os.kill(worker, signal.SIGKILL)
    time.sleep(1.2)
    away.rename(server.folder)
    eventually(lambda: "No such file" in server.deployer.serving(server.folder).reason)
    eventually(lambda: server.deployer.serving(server.folder).state == "running")
    now = server.deployer.serving(server.folder)
    assert (now.pid, now.reason) == (pid, "")
    assert server.ask()[0] == 200


@pytest.mark.parametrize("told", [b"", b'{"token": "half', b'{"token": null}\n'])
def test_a_server_that_was_not_told_its_token_does_not_serve(
    tmp_path: Path, models: Path, told: bytes
) -> None:
    spec = ServeSpec("d", tmp_path, models / "one", "one", token=SecretValue("t0ken-of-this"))
    write_wanted(tmp_path, Wanted.of(spec))
    command = [sys.executable, "-m", "mlxkit.integrations.mlflow.serving.supervisor", str(tmp_path)]
    done = subprocess.run(command, input=told, capture_output=True, timeout=20)
    assert (done.returncode, done.stderr) == (1, b"")
    now = MlflowDeployer(None, tmp_path).serving(tmp_path)
    assert (now.state, now.port) == ("failed", None)
    assert "before it had handed over the token" in now.reason


def test_the_death_of_many_ends_none_of_the_others(serve: Serve, models: Path) -> None:
    server = serve(models / "one", workers=3)
    before = supervisor(server)
    spared, *others = workers(server)
    for _ in range(3):
        for pid in others:
            os.kill(pid, signal.SIGKILL)
        assert server.ask()[0] == 200
        eventually(lambda: len(workers(server)) == 3)
        others = [pid for pid in workers(server) if pid != spared]
    assert spared in workers(server)
    now = server.deployer.serving(server.folder)
    assert (now.state, now.pid) == ("running", before)
    eventually(lambda: server.deployer.serving(server.folder).reason == "")


def test_what_is_interrupted_is_dropped_at_once(serve: Serve, models: Path) -> None:
    server = serve(models / "one")
    caller = subprocess.Popen(
        [sys.executable, "-c", CHANGE, str(server.folder), str(models / "hang")], stderr=subprocess.PIPE
    )
    eventually(lambda: server.deployer.serving(server.folder).state == "updating")
    time.sleep(0.2)
    caller.send_signal(signal.SIGINT)
    _, error = caller.communicate(timeout=20)  # the new model hangs for ever
    assert b"KeyboardInterrupt" in error
    now = server.deployer.serving(server.folder)
    assert (now.state, now.model) == ("running", "one")
    eventually(lambda: len(processes(server.folder)) == 2)
    wanted = read_wanted(server.folder)
    assert wanted is not None and wanted.model == "one"
    assert json.loads(server.ask()[1]) == {"predictions": [1]}


def test_what_was_not_answered_in_time_is_withdrawn(
    serve: Serve, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(models / "one")
    pid = supervisor(server)
    monkeypatch.setattr(asking, "_ANSWERS_WITHIN", 0.0)
    monkeypatch.setattr(asking, "_HEARS_WITHIN", 0.2)
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(MlxError, match="was not taken over"):
            server.replace(models / "two", ready_within=0.2)
    finally:
        os.kill(pid, signal.SIGCONT)
    time.sleep(0.5)
    now = server.deployer.serving(server.folder)
    assert (now.state, now.model, len(processes(server.folder))) == ("running", "one", 2)
    assert "loading two" not in server.log


def test_what_was_loaded_when_it_was_withdrawn_does_not_take_over(serve: Serve, models: Path) -> None:
    server = serve(models / "one")
    pid, before = supervisor(server), read_wanted(server.folder)
    assert before is not None
    caller = subprocess.Popen(
        [sys.executable, "-c", CHANGE, str(server.folder), str(models / "two")], stderr=subprocess.DEVNULL
    )
    eventually(lambda: len(workers(server)) == 2)
    os.kill(pid, signal.SIGSTOP)
    caller.kill()
    caller.wait()
    time.sleep(4)  # it gets ready, and nobody hears it
    write_wanted(server.folder, before)
    os.kill(pid, signal.SIGUSR1)
    os.kill(pid, signal.SIGCONT)
    eventually(lambda: len(processes(server.folder)) == 2)
    assert "serving two" not in server.log
    assert server.deployer.serving(server.folder).model == "one"
    status = read_status(server.folder)
    assert status is not None and status.answered == before.id


def test_it_leaves_as_late_as_a_request_may_take(serve: Serve, models: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT", "200")
        server = serve(models / "one")
    status = read_status(server.folder)
    assert status is not None and status.leaves_within == 205.0
