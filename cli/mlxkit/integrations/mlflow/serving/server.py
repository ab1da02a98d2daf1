"""The HTTP server of a worker: uvicorn, on a socket that it shares, with an end in which no request is lost."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import uvicorn

from .app import ScoringApp
from .protocol import Protocol

if TYPE_CHECKING:
    from .worker import _Follower

_IDLE = 5.0  # how long a connection is kept open for the next request
_FULL = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_PAUSE = 1.0  # seconds
_TICKS = 10  # of uvicorn, in a second
_TAKEN_AT_ONCE = 4  # the other workers want some, too


def request_timeout() -> float:
    """Return the seconds after which MLflow gives up a request."""
    from mlflow.environment_variables import MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT as timeout

    return float(timeout.get())


def serve(app: ScoringApp, follow: _Follower, tell: Callable[..., None]) -> None:
    """Answer requests from when the supervisor says so until it says to leave."""
    config = uvicorn.Config(
        app,
        access_log=False,
        log_level="warning",
        lifespan="off",
        timeout_keep_alive=int(_IDLE),
        http=Protocol,
    )
    Server(config, app, follow, tell).run()
    sys.stdout.flush()
    os._exit(0)  # predictions that were given up may still be at it


class Server(uvicorn.Server):
    """Accept from a shared socket when told to, one connection at a time, and leave in order."""

    def __init__(
        self, config: uvicorn.Config, app: ScoringApp, follow: _Follower, tell: Callable[..., None]
    ) -> None:
        super().__init__(config)
        self._app, self._follow, self._tell = app, follow, tell
        self._listener: socket.socket | None = None
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
        self._follow.hand_to(lambda order: self._loop.call_soon_threadsafe(self._obey, order))
        self._tell(ready=True, request_timeout=self._app.timeout)

    def _obey(self, order: dict[str, Any]) -> None:
        what = order["do"]
        if what == "accept":
            self._open(order["listener"])
        elif what == "answer":
            if not self._app.is_stuck:
                self._tell(answers=True)
        else:
            self._close(what)

    def _open(self, number: int) -> None:
        # The protocol is named because asyncio switches off Nagle's algorithm only where it is.
        listener = socket.socket(fileno=number, proto=socket.IPPROTO_TCP)
        listener.setblocking(False)
        os.set_inheritable(number, False)
        os.register_at_fork(after_in_child=listener.close)
        self._listener = listener
        self._loop.add_reader(listener, self._take)

    def _close(self, how: str) -> None:
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            if how == "stop":
                self._take(4096)  # who was let in by the system already is answered
        self._tell(closed=True)
        self._how = how
        self.should_exit = True

    def _take(self, count: int = _TAKEN_AT_ONCE) -> None:
        assert self._listener is not None
        for _ in range(count):
            try:
                connection, _ = self._listener.accept()
            except OSError as error:  # none left, or it went away again
                if error.errno in _FULL:
                    self._pause()
                return
            connection.setblocking(False)
            task = self._loop.create_task(self._attend(connection))
            self._accepted.add(task)
            task.add_done_callback(self._accepted.discard)

    def _pause(self) -> None:
        """Take nobody for a while: the system would say at once, and again and again, that somebody waits."""
        if self._listener is not None and not self.should_exit:
            self._loop.remove_reader(self._listener)
            self._loop.call_later(_PAUSE, self._resume)

    def _resume(self) -> None:
        if self._listener is not None and not self.should_exit:
            self._loop.add_reader(self._listener, self._take)

    async def on_tick(self, counter: int) -> bool:
        """Look after the connections, once a second."""
        if counter % _TICKS == 0:
            now = self._loop.time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, Protocol):
                    connection.close_if_late(now)
        return await super().on_tick(counter)

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
        if self._listener is not None:
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
