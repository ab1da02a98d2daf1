"""Detached runs about which nobody can be asked any more: that is said, nothing else fails by it, and they can be given up."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mlxkit.errors import ExitCode
from mlxkit.runs.deletion import somebody_runs
from mlxkit.runs.detached.place import Place
from mlxkit.runs.history import History
from mlxkit.runs.records import RunRecord
from tests.conftest import Result

Mlx = Callable[..., Result]

CONFIG = """
version: 1
orchestrators:
  cluster: {{flavor: ray, address: "ray://cluster.invalid:10001", dashboard: "{dashboard}"{more}}}
stacks:
  cluster: {{orchestrator: cluster}}
"""


class Odd(BaseHTTPRequestHandler):
    """A server that is no dashboard, and answers whatever it is asked."""

    answer: bytes = b"{}"
    code = 200
    asked: list[tuple[str, str | None]]

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers.get("Authorization")))
        self.send_response(self.code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(self.answer)))
        self.end_headers()
        self.wfile.write(self.answer)

    do_POST = do_PUT = do_GET

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@pytest.fixture
def odd() -> Iterator[tuple[type[Odd], str]]:
    """Something else that listens where a dashboard was."""
    handler = type("Mine", (Odd,), {"asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield handler, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def _noted(address: str, orchestrator: str = "cluster") -> str:
    """Write a detached run into history that some cluster is to have."""
    history = History(Path(".mlx"))
    place = Place("r1", "mlx-r1", address, orchestrator, "cluster", is_here=True)
    history.begin_run(RunRecord("r1", "lost", "p", "cluster", "running", 1.0, metadata=place.noted()), {}, "")
    history.close()
    return "r1"


def _configured(dashboard: str, more: str = "") -> None:
    Path("mlx.yaml").write_text(CONFIG.format(dashboard=dashboard, more=more))


def _is_given_up(mlx: Mlx, run_id: str) -> None:
    unsaid = mlx("runs", "cancel", run_id)
    assert unsaid.code == ExitCode.usage, unsaid.stderr
    assert "--yes" in unsaid.stderr
    given_up = mlx("runs", "cancel", run_id, "--yes", "-o", "json")
    assert given_up.code == 0, given_up.stderr
    assert [row["status"] for row in json.loads(given_up.stdout)] == ["interrupted"]
    history = History(Path(".mlx"))
    assert not somebody_runs(history)  # what deleted runs left can be freed again
    history.close()


def test_a_run_whose_orchestrator_is_no_more_can_be_given_up(mlx: Mlx, project: Path) -> None:
    run_id = _noted("http://cluster.invalid:8265", "renamed")
    listed = mlx("runs", "list", "--refresh")
    assert listed.code == 0
    assert f"mlx runs cancel {run_id} --yes" in listed.stderr
    _is_given_up(mlx, run_id)


@pytest.mark.parametrize(
    ("code", "answer"), [(200, b"{}"), (200, b"[]"), (200, b"<html>"), (200, b"null"), (401, b""), (500, b"")]
)
def test_what_is_no_dashboard_fails_no_listing_and_its_run_can_be_given_up(
    mlx: Mlx, project: Path, odd: tuple[type[Odd], str], code: int, answer: bytes
) -> None:
    pytest.importorskip("ray", reason="ray is not installed")
    server, address = odd
    server.code, server.answer = code, answer
    _configured(address)
    run_id = _noted(address)
    listed = mlx("runs", "list", "--refresh", "-o", "json")
    assert listed.code == 0, listed.stderr
    assert [row["status"] for row in json.loads(listed.stdout)] == ["running"]
    assert "unknown how run lost is" in listed.stderr
    _is_given_up(mlx, run_id)


def test_a_token_is_sent_to_the_cluster_that_it_was_given_for_and_to_nobody_else(
    mlx: Mlx, project: Path, odd: tuple[type[Odd], str]
) -> None:
    pytest.importorskip("ray", reason="ray is not installed")
    server, address = odd
    _configured("http://cluster.invalid:8265", ', auth_token: "tok-hunter2"')
    _noted(address)
    listed = mlx("runs", "list", "--refresh")
    assert listed.code == 0
    assert "its token is not sent to http://127.0.0.1" in listed.stderr
    assert server.asked == []
    _configured(f"{address}/", ', auth_token: "tok-hunter2"')
    mlx("runs", "list", "--refresh")
    assert {token for _, token in server.asked} == {"Bearer tok-hunter2"}


def test_following_a_lost_run_says_so_and_ends_when_it_is_given_up(mlx: Mlx, project: Path) -> None:
    run_id = _noted("http://cluster.invalid:8265", "renamed")

    def give_up() -> None:
        time.sleep(2)
        history = History(Path(".mlx"))
        history.finish_run(run_id, "interrupted", error="given up")
        history.close()

    other = threading.Thread(target=give_up)
    other.start()
    followed = mlx("runs", "logs", run_id, "-f")
    other.join()
    assert followed.code == 0, followed.stderr
    assert followed.stderr.count(f"mlx runs cancel {run_id} --yes") == 1
    assert followed.stderr.count("Ctrl-C") == 1
