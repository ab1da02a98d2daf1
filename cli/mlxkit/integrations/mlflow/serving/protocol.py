"""One connection of a client: uvicorn's, which trusts everybody, with limits on what is sent and for how long."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HEAD = 64 * 1024  # bytes of the lines before a body, or after one
_HEAD_WITHIN = 10.0  # seconds
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: 31\r\nconnection: close\r\n\r\nRequest Header Fields Too Large"
)


class Protocol(HttpToolsProtocol):
    """Read requests whose heads are of a reasonable size and come in a reasonable time."""

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a first request."""
        super().connection_made(_Joined(transport, self.loop))  # type: ignore[arg-type]
        self._unclaimed = 0  # bytes since the last that were part of a body
        self._since: float | None = (
            self.loop.time()
        )  # since when something is missing that nobody else waits for
        self._refused = False

    def data_received(self, data: bytes) -> None:
        """Read a piece."""
        self._unclaimed += len(data)
        super().data_received(data)
        if self._unclaimed > _HEAD and not self._refused:
            self._refuse()
        if self._since is None and self.timeout_keep_alive_task is None and self._is_idle():
            self._since = self.loop.time()  # empty lines, which come before no request

    def on_message_begin(self) -> None:
        """Begin with a request."""
        super().on_message_begin()
        self._since = self.loop.time()

    def on_headers_complete(self) -> None:
        """Let the request be answered, unless it came with too much."""
        if self._refused:
            return
        if self._unclaimed > _HEAD and self._head() > _HEAD:
            self._refuse()
            return
        self._unclaimed, self._since = 0, None
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body."""
        self._unclaimed = 0
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Take the end of a body."""
        self._unclaimed, self._since = 0, None
        if not self._refused:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Begin to wait for the rest of a body that nobody wants to read."""
        super().on_response_complete()
        if self.cycle.more_body:
            self._since = self.loop.time()

    def close_if_late(self, now: float) -> None:
        """Let go of a client that does not send what it is expected to; `now` is the time of the loop."""
        if self._since is not None and now - self._since > _HEAD_WITHIN:
            self.transport.close()

    def _head(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _refuse(self) -> None:
        self._refused = True
        if self._is_idle():
            self.transport.write(_TOO_LARGE)
        self.transport.close()


class _Joined:
    """A transport that sends what is written at one go as one piece: the head of an answer, and its body."""

    def __init__(self, transport: Any, loop: Any) -> None:
        self._transport, self._loop = transport, loop
        self._pieces: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._pieces:
            self._loop.call_soon(self._send)
        self._pieces.append(data)

    def close(self) -> None:
        self._send()
        self._transport.close()

    def _send(self) -> None:
        if self._pieces:
            pieces, self._pieces = self._pieces, []
            self._transport.write(b"".join(pieces))
