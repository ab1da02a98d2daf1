"""MLflow's scoring protocol as a bare ASGI application: the same answers, without a framework in the way.

What is asked often is answered here; anything else by the application that MLflow's own server consists of.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any

from .hosts import is_of_this_machine
from .scoring import Answer, Model
from .threads import Threads

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_SMALL = 16 * 1024  # bytes of a request
_OPEN = ("/ping", "/health")
_JSON = b"application/json"
_PONG = Answer(200, b"\n", _JSON)
_TIMED_OUT = Answer(504, b"Request processing time exceeded limit", _JSON)
_FAILED = Answer(500, b"Internal Server Error", b"text/plain; charset=utf-8")


class ScoringApp:
    """Answer requests about one model; a prediction that takes long holds up nothing but itself."""

    def __init__(
        self, model: Model, max_body: int, token: str | None, timeout: float, *, is_local: bool
    ) -> None:
        self._model, self._max_body, self.timeout = model, max_body, timeout
        self._guards_host = is_local and not token  # others cannot reach it, or cannot know the token
        self._token = token.encode() if token else None
        self._threads = Threads(min(32, (os.cpu_count() or 1) + 4), self._scored)
        self._too_large = _refusal(
            413,
            "REQUEST_LIMIT_EXCEEDED",
            f"the body of a request may have {max_body} bytes at most",
        )
        self._misdirected = _refusal(
            403,
            "PERMISSION_DENIED",
            "without a token this server is asked for by an address or as localhost, and by no other name",
        )
        self._not_allowed = _refusal(
            401, "UNAUTHENTICATED", "the server asks for a token: Authorization: Bearer TOKEN"
        )

    @property
    def is_stuck(self) -> bool:
        """Say whether every thread is held by a prediction that was given up."""
        return self._threads.are_stuck

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope.get("path")
        if self._guards_host and not _is_asked_here(scope):
            await _refuse(scope, send, self._misdirected)
            return
        if self._token is not None and path not in _OPEN and not self._is_allowed(scope):
            await _refuse(scope, send, self._not_allowed, [(b"www-authenticate", b"Bearer")])
        elif path == "/invocations" and scope["type"] == "http" and scope["method"] == "POST":
            await self._invocations(scope, receive, send)
        elif path in _OPEN and scope["type"] == "http" and scope["method"] == "GET":
            await _answer(send, _PONG)
        else:
            await self._model.app(scope, receive, send)

    async def _invocations(self, scope: Scope, receive: Receive, send: Send) -> None:
        length = content_type = None
        for name, value in scope["headers"]:
            if name == b"content-length":
                length = int(value)
            elif name == b"content-type" and content_type is None:
                content_type = value.decode("latin-1")
        if length is not None and length > self._max_body:
            await _answer(send, self._too_large)
            return
        started = asyncio.get_running_loop().time()
        message = await receive()
        body: bytes | None = message.get("body", b"")
        if message.get("more_body") or message["type"] == "http.disconnect":
            try:
                body = await asyncio.wait_for(self._rest(message, receive), self.timeout)
            except (asyncio.TimeoutError, TimeoutError):
                await _answer(send, _TIMED_OUT)
                return
            except _TooLargeError:
                await _answer(send, self._too_large)
                return
        if body is None:  # the client has gone
            return
        left = self.timeout - (asyncio.get_running_loop().time() - started)
        await _answer(send, await self._score(body, content_type, left))

    async def _rest(self, message: Mapping[str, Any], receive: Receive) -> bytes | None:
        """Return the body of which the first piece has come, or None when the client goes away."""
        pieces: list[bytes] = []
        size = 0
        while True:
            if message["type"] == "http.disconnect":
                return None
            piece = message.get("body", b"")
            size += len(piece)
            if size > self._max_body:
                raise _TooLargeError
            pieces.append(piece)
            if not message.get("more_body"):
                return b"".join(pieces)
            message = await receive()

    async def _score(self, body: bytes, content_type: str | None, within: float) -> Answer:
        if len(body) <= _SMALL:
            answer = self._answered_here(body, content_type)
            if answer is not None:
                return answer
        return await self._threads.run(body, content_type, within) or _TIMED_OUT

    def _answered_here(self, body: bytes, content_type: str | None) -> Answer | None:
        """Answer in the serving thread what is known to be quick; everything else would hold up everybody."""
        loop = asyncio.get_running_loop()
        # A model may run a loop of its own, as it may in the thread where MLflow's server asks it.
        asyncio._set_running_loop(None)
        try:
            return self._model.answer_if_quick(body, content_type)
        finally:
            asyncio._set_running_loop(loop)

    def _scored(self, body: bytes, content_type: str | None) -> Answer:
        try:
            return self._model.score(body, content_type)
        except BaseException:  # one that calls sys.exit() does not end its server
            sys.stderr.write(traceback.format_exc())
            return _FAILED

    def _is_allowed(self, scope: Scope) -> bool:
        for name, value in scope.get("headers", ()):
            if name == b"authorization":
                kind, _, given = value.partition(b" ")
                return kind.lower() == b"bearer" and hmac.compare_digest(given.strip(), self._token or b"")
        return False


class _TooLargeError(Exception):
    pass


def _is_asked_here(scope: Scope) -> bool:
    return all(is_of_this_machine(value) for name, value in scope.get("headers", ()) if name == b"host")


def _refusal(status: int, code: str, message: str) -> Answer:
    """Return an error in the form that MLflow gives its own."""
    return Answer(status, json.dumps({"error_code": code, "message": message}).encode(), _JSON)


async def _refuse(scope: Scope, send: Send, why: Answer, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
    elif scope["type"] == "http":
        await _answer(send, why, headers)


async def _answer(send: Send, answer: Answer, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": answer.status,
            "headers": [
                (b"content-length", b"%d" % len(answer.body)),
                (b"content-type", answer.content_type),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": answer.body})
