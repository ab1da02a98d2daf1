"""Another model on the same address: no request is lost, and a model that is not fit changes nothing."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from mlxkit.errors import MlxError
from mlxkit.integrations.mlflow.serving.state import Wanted, read_status, write_wanted

from .conftest import Serve, Server, eventually
from .test_lifecycle import processes

pytestmark = pytest.mark.integration
BODY = '{"inputs": ["x"]}'
HEADERS = {"Content-Type": "application/json"}


class Client(threading.Thread):
    """Ask again and again over one kept connection, without ever trying a second time."""

    def __init__(self, port: int, until: threading.Event, pause: float = 0.0) -> None:
        super().__init__(daemon=True)
        self._port, self._until, self._pause = port, until, pause
        self.answers: list[int] = []
        self.failures: list[str] = []

    def run(self) -> None:
        link = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        while not self._until.is_set():
            try:
                link.request("POST", "/invocations", BODY, HEADERS)
                answer = link.getresponse()
                text = answer.read()
                assert answer.status == 200, text
                self.answers.append(json.loads(text)["predictions"][0])
            except Exception as error:
                self.failures.append(repr(error))
                link.close()
            time.sleep(self._pause)


@pytest.mark.parametrize("workers", [1, 2])
def test_no_request_fails_while_models_change(serve: Serve, models: Path, workers: int) -> None:
    server = serve(models / "one", workers=workers)
    until = threading.Event()
    clients = [Client(server.port, until) for _ in range(8)] + [Client(server.port, until, 1.0)]
    slow: list[int | str] = []

    def ask_slowly() -> None:
        try:
            slow.append(server.ask('{"inputs": ["sleep:0.2"]}')[0])
        except Exception as error:
            slow.append(repr(error))

    several = [threading.Thread(target=ask_slowly) for _ in range(200)]
    for thread in [*clients, *several[:20]]:
        thread.start()
    time.sleep(0.3)
    changing = threading.Thread(target=server.replace, args=(models / "two",))
    changing.start()
    for thread in several[20:]:
        thread.start()
        time.sleep(0.005)
    changing.join()
    assert json.loads(server.ask()[1]) == {"predictions": [2]}  # a new connection, at once
    for thread in several:
        thread.join()
    eventually(lambda: len(processes(server.folder)) == 1 + workers)  # the old ones have left
    time.sleep(1.5)  # the client that pauses asks once more
    until.set()
    for client in clients:
        client.join()
        assert client.failures == []
        assert set(client.answers) == {1, 2}
        assert client.answers == sorted(client.answers)  # never back to the old one
    assert Counter(slow) == {200: 200}


@pytest.mark.parametrize(
    ("model", "reason"),
    [("raise", "this model is broken"), ("exit", "about to exit"), ("hang", "not ready within 6 s")],
)
def test_a_model_that_fails_changes_nothing(serve: Serve, models: Path, model: str, reason: str) -> None:
    server = serve(models / "one")
    before = server.deployer.serving(server.folder)
    until = threading.Event()
    client = Client(server.port, until)
    client.start()
    with pytest.raises(MlxError, match=reason) as raised:
        server.replace(models / model, ready_within=6 if model == "hang" else 60)
    assert "one goes on" in raised.value.message
    until.set()
    client.join()
    assert (client.failures, set(client.answers)) == ([], {1})
    after = server.deployer.serving(server.folder)
    assert (after.state, after.model, after.pid, after.port) == ("running", "one", before.pid, before.port)
    eventually(lambda: len(processes(server.folder)) == 2)


def test_several_changes_at_once_take_turns(serve: Serve, models: Path) -> None:
    server = serve(models / "one")
    ended: list[object] = []

    def change(name: str) -> None:
        try:
            server.replace(models / name)
            ended.append("done")
        except MlxError as error:
            ended.append(error.message)

    threads = [threading.Thread(target=change, args=(name,)) for name in ("two", "raise", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(item == "done" for item in ended) == [False, True, True]
    assert json.loads(server.ask()[1]) == {"predictions": [2]}


CHANGE = """
import sys
from pathlib import Path
from mlxkit.integrations.mlflow.serving.deployer import MlflowDeployer
from mlxkit.stacks.deployers import ServeSpec
folder, model = Path(sys.argv[1]), Path(sys.argv[2])
MlflowDeployer(None, folder).replace(ServeSpec("d", folder, model, model.name))
"""


@pytest.mark.parametrize("model", ["two", "raise"])
def test_a_change_whose_caller_is_killed_is_finished_or_refused(
    serve: Serve, models: Path, model: str
) -> None:
    server = serve(models / "one")
    caller = subprocess.Popen([sys.executable, "-c", CHANGE, str(server.folder), str(models / model)])
    eventually(
        lambda: (told := read_status(server.folder)) and told.state == "updating"
    )  # it has heard of it
    caller.kill()
    caller.wait()
    eventually(lambda: server.deployer.serving(server.folder).state == "running")
    expected = {"two": ("two", 2), "raise": ("one", 1)}[model]
    assert server.deployer.serving(server.folder).model == expected[0]
    assert json.loads(server.ask()[1]) == {"predictions": [expected[1]]}
    server.replace(models / "two")  # and nobody holds a lock


def test_a_wish_that_was_never_signalled_is_not_taken_for_the_next_one(serve: Serve, models: Path) -> None:
    server = serve(models / "one")
    stray = Wanted.of(server.spec)
    write_wanted(server.folder, Wanted(**{**stray.__dict__, "model_dir": str(models / "raise")}))
    pid = json.loads(server.ask('{"inputs": ["pid"]}')[1])["predictions"][0]
    os.kill(pid, signal.SIGKILL)
    assert json.loads(server.ask()[1]) == {"predictions": [1]}  # the worker came back with what is served
    server.replace(models / "two")
    assert json.loads(server.ask()[1]) == {"predictions": [2]}


def test_the_address_stays(serve: Serve, models: Path) -> None:
    server = serve(models / "one")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(MlxError, match="an address cannot change"):
            server.replace(models / "two", port=free.getsockname()[1])
    port = server.port
    server.replace(models / "two", port=port, workers=2)
    assert server.port == port
    eventually(lambda: len(processes(server.folder)) == 3)


def test_stopping_answers_what_was_asked(serve: Serve, models: Path) -> None:
    server = serve(models / "one")
    answers: list[object] = []
    asked = [
        threading.Thread(target=lambda: answers.append(_status(server, '{"inputs": ["sleep:1"]}')))
        for _ in range(6)
    ]
    for thread in asked:
        thread.start()
    time.sleep(0.4)
    server.deployer.stop(server.folder)
    for thread in asked:
        thread.join()
    assert answers == [200] * 6


def _status(server: Server, body: str) -> object:
    try:
        return server.ask(body)[0]
    except Exception as error:
        return repr(error)
