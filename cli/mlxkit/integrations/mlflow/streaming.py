"""Large files over REST: a piece at a time, over one connection for all files of a model."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Callable, Iterator
from typing import Any

from .connection import Connection
from .rest import Answer, Rest, unreachable
from .transport import open_link, target_of

_PIECE = 1024 * 1024
_STALLED = 60.0  # seconds without a byte
_BROKEN = (http.client.HTTPException, OSError)
_MESSAGE = 64 * 1024


class Stream:
    """Fetches one file after the other; used by one thread, and closed afterwards."""

    def __init__(self, rest: Rest, to: Connection) -> None:
        self._rest = rest
        self._to = to
        self._link: http.client.HTTPConnection | None = None

    def fetch(self, path: str, write: Callable[[bytes], Any]) -> int:
        """Hand the body of one file to `write`, and return its length; raises unless all of it came.

        What `write` raises comes through as it is.
        """
        path, headers = self._rest.signed(path, _STALLED)
        with self._explained():
            response = self._answer(path, headers)
        if response.status != 200:
            with self._explained():
                body = response.read(_MESSAGE)
            self.close()
            raise self._rest.refusal(Answer(response.status, body))
        length = 0
        while True:
            with self._explained():
                piece = response.read(_PIECE)
                if not piece:
                    if response.length:  # which http.client lets pass when it is read in pieces
                        raise http.client.IncompleteRead(b"", response.length)
                    break
            write(piece)
            length += len(piece)
        if response.will_close:
            self.close()
        return length

    def close(self) -> None:
        """Close the connection."""
        if self._link is not None:
            self._link.close()
            self._link = None

    def _answer(self, path: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        if self._link is not None:
            try:
                return self._ask(self._link, path, headers)
            except _BROKEN:  # closed by the server between two files
                self.close()
        self._link = open_link(self._to, _STALLED)
        return self._ask(self._link, path, headers)

    @staticmethod
    def _ask(
        link: http.client.HTTPConnection, path: str, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        path, extra = target_of(link, path)
        link.request("GET", path, headers={**headers, **extra})
        return link.getresponse()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except _BROKEN as error:
            self.close()
            raise unreachable(error, self._to, _STALLED) from error
