"""A project with providers: written as a person would write it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mlxkit.secrets.providers import chain
from mlxkit.secrets.service import SecretService

Write = Callable[..., SecretService]


@pytest.fixture(autouse=True)
def _no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLX_SECRETS_BACKEND", "env")
    monkeypatch.setattr(chain, "_read", {})


@pytest.fixture
def project(home: Path) -> Write:
    """Write mlx.yaml with these providers, and return the secrets as they are then; trusted unless told otherwise."""

    def write(*, trusted: bool = True, **providers: dict[str, str]) -> SecretService:
        lines = ["version: 1", "secret_providers:"]
        for name, body in providers.items():
            lines.append(f"  {name}:")
            lines += [f'    {key}: "{value}"' for key, value in body.items()]
        Path("mlx.yaml").write_text("\n".join(lines) + "\n")
        secrets = SecretService()
        if trusted:
            from mlxkit.secrets.providers.trust import trust

            assert secrets.team.chain is not None
            for entry in secrets.team.chain.entries.values():
                trust(entry, secrets.team.chain.project)
        return secrets

    return write


class Recorder(BaseHTTPRequestHandler):
    """Answers as its server is told to, and keeps what it is sent."""

    server: Any

    def do_GET(self) -> None:
        self.server.seen.append((self.path, dict(self.headers)))
        status, headers, content = self.server.answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def stranger() -> Iterator[Any]:
    """A server of our own on loopback: `.address`, `.answer`, `.seen`."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    server.seen, server.answer = [], (200, {}, b"<html>")
    server.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
