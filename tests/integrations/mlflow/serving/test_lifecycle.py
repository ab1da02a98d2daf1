"""Starting, looking, ending: what is said is what is, however a server came to its end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mlxkit.errors import AlreadyExistsError, MlxError, NotFoundError
from mlxkit.integrations.mlflow.serving.deployer import MlflowDeployer
from mlxkit.integrations.mlflow.serving.state import holder, read_status, write_status
from mlxkit.secrets.value import SecretValue
from mlxkit.stacks.deployers import ServeSpec

from .conftest import Serve, Server, eventually

pytestmark = pytest.mark.integration
TOKEN = "tok-3n-of-the-d3ployment"


def processes(folder: Path) -> list[int]:
    """Return the live processes whose working directory is a deployment's folder."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                if (place / "cwd").resolve() == folder and b"Z" not in (place / "stat").read_bytes().split()[
                    2:3
                ]:
                    found.append(int(place.name))
            except OSError:
                continue
    return found


def test_a_server_starts_answers_and_stops(serve: Serve, models: Path) -> None:
    server = serve(models / "one", workers=2)
    now = server.deployer.serving(server.folder)
    assert (now.state, now.model, now.host) == ("running", "one", "127.0.0.1")
    assert len(processes(server.folder)) == 3
    with pytest.raises(AlreadyExistsError, match="served already"):
        server.deployer.start(server.spec)
    assert json.loads(server.ask()[1]) == {"predictions": [1]}
    server.deployer.stop(server.folder)
    server.deployer.stop(server.folder)
    after = server.deployer.serving(server.folder)
    assert (after.state, after.pid, after.reason) == ("stopped", None, "")
    eventually(lambda: processes(server.folder) == [])  # the lock goes a moment before the process


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("raise", "ValueError: this model is broken"),
        ("exit", "exit code 7"),
        ("hang", "not ready within 8 s"),
        ("misfit", "does not answer its input example"),
    ],
)
def test_a_model_that_does_not_get_ready_leaves_nothing_running(
    tmp_path: Path, models: Path, model: str, reason: str
) -> None:
    deployer = MlflowDeployer(None, tmp_path)
    spec = ServeSpec("d", tmp_path / "d", models / model, model, ready_within=8 if model == "hang" else 60)
    with pytest.raises(MlxError, match=reason) as raised:
        deployer.start(spec)
    assert raised.value.hint and "server.log" in raised.value.hint
    if model == "exit":
        assert "about to exit" in raised.value.message  # the last lines of its log
    assert processes(tmp_path / "d") == []
    now = deployer.serving(tmp_path / "d")
    assert now.state == "failed" and reason in now.reason


def test_a_server_that_was_killed_is_not_believed_to_run(serve: Serve, models: Path) -> None:
    server = serve(models / "one")
    before = server.deployer.serving(server.folder)
    assert before.pid
    os.kill(before.pid, signal.SIGKILL)
    eventually(lambda: processes(server.folder) == [])  # the worker ends by itself
    killed = f"the server process {before.pid} is gone (killed?)"
    eventually(
        lambda: server.deployer.serving(server.folder).reason == killed
    )  # its port goes a moment later
    now = server.deployer.serving(server.folder)
    assert (now.state, now.pid) == ("failed", None)
    with pytest.raises(NotFoundError, match="is gone"):
        server.replace(models / "two")
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        thief.bind(("127.0.0.1", before.port))
        thief.listen()
        now = server.deployer.serving(server.folder)
        assert now.reason.endswith(f"and port {before.port} is taken by another program")
        with pytest.raises(MlxError, match=f"port {before.port} is taken by another program") as raised:
            server.deployer.start(ServeSpec("d", server.folder, models / "one", "one", port=before.port or 0))
        assert "--port 0" in (raised.value.hint or "")
    again = server.deployer.start(ServeSpec("d", server.folder, models / "one", "one", port=before.port or 0))
    assert (again.state, again.port) == ("running", before.port)


def test_a_model_that_holds_the_interpreter_dies_with_its_server(serve: Serve, models: Path) -> None:
    server = serve(models / "one")
    asked = threading.Thread(target=lambda: _quietly(server, '{"inputs": ["spin:60"]}'))
    asked.start()
    time.sleep(0.5)
    os.kill(server.deployer.serving(server.folder).pid or 0, signal.SIGKILL)
    eventually(lambda: processes(server.folder) == [])
    asked.join()


def test_a_restart_of_the_machine_is_told(tmp_path: Path, serve: Serve, models: Path) -> None:
    server = serve(models / "one")
    server.deployer.stop(server.folder)
    status = read_status(server.folder)
    assert status is not None
    fields = {**status.__dict__, "state": "running", "boot": "another"}
    write_status(server.folder, type(status)(**fields))
    now = server.deployer.serving(server.folder)
    assert (now.state, now.reason) == ("failed", "the machine was restarted")


def test_a_process_id_that_another_program_has_now_is_not_believed(serve: Serve, models: Path) -> None:
    server = serve(models / "one")
    server.deployer.stop(server.folder)
    status = read_status(server.folder)
    assert status is not None
    fields = {**status.__dict__, "state": "running", "pid": os.getpid()}
    write_status(server.folder, type(status)(**fields))
    (server.folder / "server.lock").write_text(f"{os.getpid()}\n")
    assert server.deployer.serving(server.folder).state == "failed"
    server.deployer.stop(server.folder)  # which would end this test if it believed the file


def test_a_worker_that_dies_is_started_again_and_again(serve: Serve, models: Path) -> None:
    server = serve(models / "one")
    pid = json.loads(server.ask('{"inputs": ["pid"]}')[1])["predictions"][0]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: "killed by SIGKILL" in server.deployer.serving(server.folder).reason)
    assert server.deployer.serving(server.folder).state == "starting"
    status, _ = server.ask()  # asked while nobody is there: the connection waits
    assert status == 200
    assert json.loads(server.ask('{"inputs": ["pid"]}')[1])["predictions"][0] != pid
    # The answer can come before the supervisor has heard that the worker is ready.
    eventually(lambda: server.deployer.serving(server.folder).state == "running")
    assert server.deployer.serving(server.folder).reason == ""
    for code in range(11, 15):
        _quietly(server, json.dumps({"inputs": [f"print:last words {code}", f"die:{code}"]}))
    eventually(lambda: server.deployer.serving(server.folder).state == "failed")
    now = server.deployer.serving(server.folder)
    assert "5 times in a row" in now.reason and "exit code 14" in now.reason
    assert "last words 14" in now.reason
    assert now.pid is not None
    assert server.ask()[0] == 200  # it was tried again
    eventually(lambda: server.deployer.serving(server.folder).state == "running")
    assert server.deployer.serving(server.folder).reason == ""


def test_two_starts_at_once_get_a_port_each(serve: Serve, models: Path) -> None:
    started: list[Server] = []
    threads = [
        threading.Thread(target=lambda n=n: started.append(serve(models / "one", name=f"at-once-{n}")))
        for n in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({server.port for server in started}) == 2


def test_two_starts_of_one_deployment_leave_one_server(tmp_path: Path, models: Path) -> None:
    deployer = MlflowDeployer(None, tmp_path)
    spec = ServeSpec("d", tmp_path / "d", models / "one", "one")
    ended: list[object] = []

    def start() -> None:
        try:
            ended.append(deployer.start(spec))
        except MlxError as error:
            ended.append(error)

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(item).__name__ for item in ended) == ["AlreadyExistsError"] * 2 + ["Serving"]
    deployer.stop(tmp_path / "d")


def test_not_waiting_returns_when_the_port_is_held(serve: Serve, models: Path) -> None:
    server = serve(models / "one", wait=False)
    assert server.deployer.serving(server.folder).state == "starting"
    assert server.ask("", "/ping", "GET")[0] == 200  # answered as soon as there is somebody to


START = """
import sys
from pathlib import Path
from mlxkit.integrations.mlflow.serving.deployer import MlflowDeployer
from mlxkit.secrets.value import SecretValue
from mlxkit.stacks.deployers import ServeSpec
folder, model = Path(sys.argv[1]), Path(sys.argv[2])
print("starting", flush=True)
MlflowDeployer(None, folder).start(ServeSpec("d", folder / "d", model, model.name))
print("up", flush=True)
input()
"""


def test_ctrl_c_ends_what_it_started(tmp_path: Path, models: Path) -> None:
    caller = subprocess.Popen(
        [sys.executable, "-c", START, str(tmp_path), str(models / "hang")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    eventually(lambda: len(processes(tmp_path / "d")) == 2)
    caller.send_signal(signal.SIGINT)
    _, error = caller.communicate(timeout=20)
    assert "KeyboardInterrupt" in error
    assert processes(tmp_path / "d") == []


def test_a_server_outlives_its_shell(tmp_path: Path, models: Path) -> None:
    shell = subprocess.Popen(
        [sys.executable, "-c", START, str(tmp_path), str(models / "one")],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert shell.stdout and [shell.stdout.readline().strip() for _ in range(2)] == ["starting", "up"]
    deployer = MlflowDeployer(None, tmp_path)
    server = Server(deployer, ServeSpec("d", tmp_path / "d", models / "one", "one"))
    for process in processes(tmp_path / "d"):
        os.kill(process, signal.SIGHUP)
        os.kill(process, signal.SIGINT)
    os.killpg(shell.pid, signal.SIGHUP)
    shell.wait(60)
    time.sleep(0.3)
    assert server.ask()[0] == 200
    deployer.stop(tmp_path / "d")


def test_the_token_is_nowhere_but_in_memory(serve: Serve, models: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLX_SECRET_DEPLOY__TOKEN", "MLFLOW_TRACKING_PASSWORD", "DATABRICKS_TOKEN"):
            patch.setenv(name, "env-s3cret-value")
        server = serve(models / "one", token=SecretValue(TOKEN))
    body = json.dumps({"inputs": [f"print:the token is {TOKEN} it is", f"raise:{TOKEN}"]})
    assert server.ask(body, Authorization=f"Bearer {TOKEN}")[0] == 400
    eventually(lambda: "the token is *** it is" in server.log)
    server.replace(models / "two")
    assert json.loads(server.ask(Authorization=f"Bearer {TOKEN}")[1]) == {"predictions": [2]}
    shown = subprocess.run(["ps", "-efww"], capture_output=True, text=True).stdout
    for process in processes(server.folder):
        with contextlib.suppress(ProcessLookupError):  # the worker that was replaced, at its end
            shown += Path(f"/proc/{process}/environ").read_bytes().decode(errors="replace")
            shown += Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace")
    for path in server.folder.rglob("*"):
        shown += path.read_text(errors="replace")
        assert path.stat().st_mode & 0o077 == 0, path
    assert TOKEN not in shown and "env-s3cret-value" not in shown
    assert str(server.folder) in shown  # there was something to look through


def test_a_large_log_is_set_aside(serve: Serve, models: Path) -> None:
    server = serve(models / "one")
    server.deployer.stop(server.folder)
    log = server.deployer.log(server.folder)
    log.write_bytes(b"x" * 6_000_000)
    server.deployer.start(server.spec)
    assert log.stat().st_size < 10_000
    assert (server.folder / "server.log.1").stat().st_size == 6_000_000


def test_windows_is_told_that_it_cannot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(MlxError, match="Windows"):
        MlflowDeployer(None, tmp_path)


def test_looking_at_nothing(tmp_path: Path) -> None:
    deployer = MlflowDeployer(None, tmp_path)
    assert deployer.serving(tmp_path / "none").state == "stopped"
    deployer.stop(tmp_path / "none")
    assert holder(tmp_path / "none") is None


def _quietly(server: Server, body: str) -> None:
    with contextlib.suppress(OSError):
        server.ask(body)
