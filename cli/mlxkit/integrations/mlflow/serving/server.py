"""The HTTP server of a worker: uvicorn, on a socket that it shares, with an end in which no request is lost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import uvicorn

from .app import ScoringApp
from .scoring import Model

if TYPE_CHECKING:
    from .worker import _Follower

_IDLE = 5.0  # how long a connection is kept open for the next request
_TAKEN_AT_ONCE = 4  # the other workers want some, too


def serve(
    model: Model,
    listener: socket.socket,
    max_body: int,
    token: str | None,
    follow: _Follower,
    tell: Callable[..., None],
) -> None:
    """Answer requests from when the supervisor says so until it says to leave."""
    from mlflow.environment_variables import MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT as timeout

    app = ScoringApp(model, max_body, token, float(timeout.get()))
    config = uvicorn.Config(
        app,
        access_log=False,
        log_level="warning",
        lifespan="off",
        timeout_keep_alive=int(_IDLE),
    )
    listener.setblocking(False)
    Server(config, listener, follow, tell).run()
    sys.stdout.flush()
    os._exit(0)  # predictions that were given up may still be at it


class Server(uvicorn.Server):
    """Accept from a shared socket when told to, one connection at a time, and leave in order."""

    def __init__(
        self, config: uvicorn.Config, listener: socket.socket, follow: _Follower, tell: Callable[..., None]
    ) -> None:
        super().__init__(config)
        self._listener, self._follow, self._tell = listener, follow, tell
        self._how = "stop"
        self._accepted: set[asyncio.Task[Any]] = set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone: the supervisor speaks to us over the line."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Report that the model is ready; connections are taken later."""
        await self.lifespan.startup()
        self._loop = asyncio.get_running_loop()
        self.servers = []
        self.started = True
        self._follow.hand_to(lambda order: self._loop.call_soon_threadsafe(self._obey, order["do"]))
        self._tell(ready=True)

    def _obey(self, order: str) -> None:
        if order == "accept":
            self._loop.add_reader(self._listener.fileno(), self._take)
            return
        self._loop.remove_reader(self._listener.fileno())
        if order == "stop":
            self._take(4096)  # who was let in by the system already is answered
        self._tell(closed=True)
        self._how = order
        self.should_exit = True

    def _take(self, count: int = _TAKEN_AT_ONCE) -> None:
        for _ in range(count):
            try:
                connection, _ = self._listener.accept()
            except OSError:  # none left, or it went away again
                return
            connection.setblocking(False)
            task = self._loop.create_task(self._attend(connection))
            self._accepted.add(task)
            task.add_done_callback(self._accepted.discard)

    async def _attend(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._protocol, connection)
        except OSError:
            connection.close()

    def _protocol(self) -> asyncio.Protocol:
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state={}, _loop=self._loop
        )
        return made

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what there is, with `Connection: close`; when draining, wait for clients that kept a connection."""
        self._listener.close()
        await asyncio.gather(*self._accepted, return_exceptions=True)
        self.server_state.default_headers = [
            *self.server_state.default_headers,
            (b"connection", b"close"),
        ]
        until = time.monotonic() + (_IDLE + 1 if self._how == "drain" else 0.3)
        while self.server_state.connections and time.monotonic() < until:
            await asyncio.sleep(0.02)
        for connection in list(self.server_state.connections):
            connection.shutdown()
        while self.server_state.connections or self.server_state.tasks:
            await asyncio.sleep(0.02)
