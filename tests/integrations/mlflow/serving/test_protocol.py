"""Limits on what clients send before anybody reads it, against a real server in this process."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import uvicorn

from mlxkit.integrations.mlflow.serving import protocol
from mlxkit.integrations.mlflow.serving.app import ScoringApp
from mlxkit.integrations.mlflow.serving.scoring import Answer
from mlxkit.integrations.mlflow.serving.server import Server

ASK = b"POST /invocations HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n"
CHUNKED = (
    b"POST /invocations HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n"
)


TOLD: list[dict[str, object]] = []
ORDERS: list[Orders] = []


class Echo:
    """A model that answers with what it was asked."""

    def answer_if_quick(self, body: bytes, content_type: str | None) -> Answer | None:
        return None

    def score(self, body: bytes, content_type: str | None) -> Answer:
        return Answer(200, body, b"text/plain")


class Orders:
    """The line to a supervisor, without one."""

    def hand_to(self, take: Callable[[dict[str, object]], None]) -> None:
        self.give = take


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server in a thread, with less patience than it has in earnest."""
    patch = pytest.MonkeyPatch()
    patch.setattr(protocol, "_HEAD_WITHIN", 1.0)
    listener = socket.create_server(("127.0.0.1", 0))
    app = ScoringApp(Echo(), 1000, None, 60.0, is_local=True)  # type: ignore[arg-type]
    config = uvicorn.Config(app, log_level="critical", lifespan="off", http=protocol.Protocol)
    orders = Orders()
    server = Server(config, app, orders, lambda **told: TOLD.append(told))  # type: ignore[arg-type]
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started or not hasattr(orders, "give"):
        time.sleep(0.01)
    ORDERS.append(orders)
    orders.give({"do": "accept", "listener": listener.detach()})
    yield server_port(server)
    orders.give({"do": "stop"})
    thread.join(60)
    patch.undo()


def server_port(server: Server) -> int:
    while server._listener is None:
        time.sleep(0.01)
    return int(server._listener.getsockname()[1])


def said(link: socket.socket) -> bytes:
    """Return all that is said until the connection is closed."""
    text = b""
    try:
        while piece := link.recv(65536):
            text += piece
    except ConnectionResetError:
        pass
    return text


@pytest.mark.parametrize(
    "head", [ASK + b"X: " + b"x" * 80_000, ASK + b"X: y\r\n" * 20_000, b"GET /" + b"x" * 300_000]
)
def test_a_head_that_is_too_large_is_refused(port: int, head: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as link:
        link.sendall(head[:70_000])
        assert b" 431 " in said(link)
    with socket.create_connection(("127.0.0.1", port), timeout=60) as link:
        try:
            link.sendall(head + b"\r\n\r\nhi")
        except OSError:
            return
        assert b" 200 " not in said(link)


def test_lines_after_a_body_that_are_too_many_end_the_connection(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as link:
        link.sendall(CHUNKED)
        with pytest.raises(OSError):
            for _ in range(100):
                link.sendall(b"X: y\r\n" * 2000)
                time.sleep(0.005)


def test_a_head_of_a_reasonable_size_and_a_large_body_are_taken(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as link:
        link.sendall(ASK + b"X: " + b"x" * 50_000 + b"\r\n\r\nhi")
        link.sendall(ASK + b"Connection: close\r\n\r\nho")
        answers = said(link)
        assert answers.count(b" 200 ") == 2 and answers.endswith(b"ho")
    with socket.create_connection(("127.0.0.1", port), timeout=60) as link:
        link.sendall(ASK.replace(b": 2", b": 200000") + b"\r\n" + b"x" * 200_000)
        link.sendall(ASK + b"Connection: close\r\n\r\nhi")
        assert b" 413 " in said(link)


STALLED = (
    b"",
    b"\r\n",
    b"P",
    ASK,
    ASK.replace(b": 2", b": 20000") + b"\r\nx",  # answered before it is read
    ASK + b"\r\nhi" + ASK[:9],
)


def test_clients_that_do_not_go_on_are_let_go(port: int) -> None:
    began = time.monotonic()
    links = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in [*STALLED, b""]]
    for link, sent in zip(links, STALLED, strict=False):
        link.sendall(sent)
    links[-1].sendall(ASK + b"\r\nhi")
    while not links[-1].recv(4096).endswith(b"hi"):
        pass
    links[-1].sendall(b"\r\n")  # which is no request, and no silence either
    for link in links:
        said(link)
        link.close()
    assert time.monotonic() - began > 0.9


def test_a_client_that_trickles_is_let_go_too(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as link, pytest.raises(OSError):
        for _ in range(200):
            link.sendall(b"G" if _ == 0 else b"E")
            time.sleep(0.1)
        raise AssertionError("it was listened to for 20 s")


@pytest.mark.parametrize(
    ("host", "status"), [("evil.example", 403), ("localhost:1", 200), ("127.0.0.1", 200)]
)
def test_it_answers_to_no_name_of_another_machine(port: int, host: str, status: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as link:
        link.sendall(ASK.replace(b"localhost", host.encode()) + b"Connection: close\r\n\r\nhi")
        assert said(link).startswith(b"HTTP/1.1 %d " % status)


def test_it_answers_its_supervisor_as_long_as_a_thread_is_left(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert TOLD[0] == {"ready": True, "request_timeout": 60.0}
    for is_stuck, answers in ((False, 1), (True, 0)):
        monkeypatch.setattr(ScoringApp, "is_stuck", is_stuck)
        TOLD.clear()
        ORDERS[0].give({"do": "answer"})
        time.sleep(0.3)
        assert [{"answers": True}] * answers == TOLD
