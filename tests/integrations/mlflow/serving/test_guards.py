"""What a model may do to its worker without taking the deployment with it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Serve, Server, eventually

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]


def told(server: Server, order: str) -> int:
    return int(json.loads(server.ask(json.dumps({"inputs": [order]}))[1])["predictions"][0])


def is_alive(pid: int) -> bool:
    try:
        return b") Z" not in Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False


def sockets(pid: int, port: int) -> list[str]:
    """Return what a process has open of those that listen on a port."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = {
        f"socket:[{line[9]}]" for line in lines if line[1].endswith(f":{port:04X}") and line[3] == "0A"
    }
    assert listening
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        if (target := os.readlink(link)) in listening:
            found.append(target)
    return found


def quietly(ask: Callable[[], object]) -> threading.Thread:
    def run() -> None:
        with contextlib.suppress(OSError):
            ask()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_slow_prediction_of_a_quick_model_holds_up_nobody(one: Server) -> None:
    for _ in range(40):
        one.ask()
    slow = quietly(lambda: one.ask('{"inputs": ["sleep:3"]}'))
    time.sleep(0.2)
    assert one.ask(path="/ping", method="GET")[0] == 200
    assert one.ask()[0] == 200
    assert slow.is_alive()
    slow.join()


def test_a_model_that_exits_in_a_prediction_ends_only_that(one: Server) -> None:
    pid = told(one, "pid")
    assert one.ask('{"inputs": ["exits:3"]}') == (500, b"Internal Server Error")
    assert told(one, "pid") == pid


def test_a_worker_that_hears_nothing_any_more_is_replaced(serve: Serve, models: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT", "1")
        server = serve(models / "one")
    before = told(server, "pid")
    held = quietly(lambda: server.ask('{"inputs": ["hold:300"]}', timeout=60))
    eventually(lambda: "it answers nothing any more" in server.log, within=60)
    held.join()
    assert told(server, "pid") != before


def test_without_file_descriptors_it_waits_and_does_not_spin(serve: Serve, models: Path) -> None:
    import resource

    server = serve(models / "one")
    pid = told(server, "pid")
    limit = len(list(Path(f"/proc/{pid}/fd").iterdir())) + 10
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, hard))
    links = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(40)]
    time.sleep(0.5)
    before = cpu(pid)
    time.sleep(1.5)
    assert cpu(pid) - before < 0.5
    for link in links:
        link.close()
    assert server.ask(timeout=5)[0] == 200


def cpu(pid: int) -> float:
    """Return the seconds of processor time that a process took."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_what_a_model_starts_and_lets_go_of_has_no_port_and_ends_with_it(serve: Serve, models: Path) -> None:
    server = serve(models / "daemon")
    on_load, later, worker = told(server, "daemon on load"), told(server, "daemon"), told(server, "pid")
    assert sockets(worker, server.port)
    for pid in (on_load, later):
        assert is_alive(pid) and not sockets(pid, server.port)
    os.kill(worker, signal.SIGKILL)
    eventually(lambda: not is_alive(on_load) and not is_alive(later))
    eventually(lambda: server.ask()[0] == 200)
    again = told(server, "daemon")
    server.deployer.stop(server.folder)
    eventually(lambda: not is_alive(again))
