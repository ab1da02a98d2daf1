"""What is added to MLflow's protocol: a limit, a token, and a health check that always answers."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from pathlib import Path

import pytest

from mlxkit.secrets.value import SecretValue

from .conftest import Serve, Server

pytestmark = pytest.mark.integration
TOKEN = "tok-for-the-http-t3sts"


def peak(pid: int) -> int:
    """Return the most memory a process had, in kB."""
    return int(Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0])


def test_a_body_over_the_limit_is_not_read_into_memory(one: Server) -> None:
    pid = json.loads(one.ask('{"inputs": ["pid"]}')[1])["predictions"][0]
    before = peak(pid)
    status, text = one.ask(b"x" * 50_000_000)
    assert status == 413
    told = json.loads(text)
    assert told["error_code"] == "REQUEST_LIMIT_EXCEEDED" and "1000000 bytes" in told["message"]
    assert peak(pid) - before < 20_000
    assert one.ask()[0] == 200


def test_a_chunked_body_over_the_limit_is_refused_too(one: Server) -> None:
    link = http.client.HTTPConnection("127.0.0.1", one.port, timeout=20)
    pieces = (b"x" * 65536 for _ in range(40))
    link.request("POST", "/invocations", pieces, {"Content-Type": "application/json"}, encode_chunked=True)
    answer = link.getresponse()
    assert (answer.status, json.loads(answer.read())["error_code"]) == (413, "REQUEST_LIMIT_EXCEEDED")
    link.close()


def test_a_body_at_the_limit_is_taken(one: Server) -> None:
    body = json.dumps({"inputs": ["x"]}).encode()
    assert one.ask(body + b" " * (1_000_000 - len(body)))[0] == 200
    assert one.ask(body + b" " * (1_000_001 - len(body)))[0] == 413


def test_a_refused_body_leaves_the_connection_usable(one: Server) -> None:
    link = http.client.HTTPConnection("127.0.0.1", one.port, timeout=20)
    for body, expected in ((b"x" * 3_000_000, 413), (b'{"inputs": ["x"]}', 200)):
        link.request("POST", "/invocations", body, {"Content-Type": "application/json"})
        answer = link.getresponse()
        answer.read()
        assert answer.status == expected
    link.close()


@pytest.fixture(scope="module")
def guarded(models: Path, tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    from .conftest import make_server

    server = make_server(tmp_path_factory.mktemp("guarded"), models / "one", token=SecretValue(TOKEN))
    yield server
    server.deployer.stop(server.folder)


@pytest.mark.parametrize(
    "given", [None, "Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer ü"]
)  # fmt: skip
def test_without_the_token_nothing_is_said(guarded: Server, given: str | None) -> None:
    for path, method in (
        ("/invocations", "POST"),
        ("/version", "GET"),
        ("/docs", "GET"),
        ("/nowhere", "GET"),
    ):
        link = http.client.HTTPConnection("127.0.0.1", guarded.port, timeout=20)
        headers = {"Content-Type": "application/json"}
        if given is not None:
            headers["Authorization"] = given
        link.request(method, path, '{"inputs": ["x"]}' if method == "POST" else None, headers)
        answer = link.getresponse()
        told = json.loads(answer.read())
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert told["error_code"] == "UNAUTHENTICATED" and TOKEN not in str(told)
        link.close()


def test_with_the_token_it_answers(guarded: Server) -> None:
    for kind in ("Bearer", "bearer"):
        assert guarded.ask(Authorization=f"{kind} {TOKEN}") == (200, b'{"predictions": [1]}')
    for path in ("/ping", "/health"):
        assert guarded.ask(path=path, method="GET") == (200, b"\n")


@pytest.mark.parametrize("order", ["sleep", "spin"])
def test_a_slow_prediction_does_not_hold_up_a_health_check(serve: Serve, models: Path, order: str) -> None:
    server = serve(models / "one")
    asked = [
        threading.Thread(target=server.ask, args=(json.dumps({"inputs": [f"{order}:3"]}),)) for _ in range(2)
    ]
    for thread in asked:
        thread.start()
    time.sleep(0.3)
    _pinged(server)
    assert all(thread.is_alive() for thread in asked)
    for thread in asked:
        thread.join()


def test_a_slow_prediction_of_a_quick_model_holds_up_one_at_most(serve: Serve, models: Path) -> None:
    server = serve(models / "one")
    for _ in range(40):
        server.ask()
    server.ask('{"inputs": ["sleep:0.5"]}')  # nobody could know
    slow = threading.Thread(target=server.ask, args=('{"inputs": ["sleep:3"]}',))
    slow.start()
    time.sleep(0.3)
    _pinged(server)
    assert slow.is_alive()
    slow.join()


def test_a_prediction_that_takes_too_long_is_given_up_as_mlflow_does(serve: Serve, models: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT", "1")
        server = serve(models / "one")
    assert server.ask('{"inputs": ["sleep:60"]}', timeout=40) == (
        504,
        b"Request processing time exceeded limit",
    )


def test_rubbish_on_the_line_hurts_nobody(one: Server) -> None:
    for rubbish in (
        b"\x00\x01\x02\r\n\r\n",
        b"POST /invocations HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"GET",
    ):
        with socket.create_connection(("127.0.0.1", one.port), timeout=5) as link:
            link.sendall(rubbish)
    with socket.create_connection(("127.0.0.1", one.port), timeout=5) as link:
        link.sendall(b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    assert one.ask()[0] == 200


def _pinged(server: Server) -> None:
    for _ in range(10):
        assert server.ask(path="/ping", method="GET")[0] == 200
