"""Hands tasks to Ray: the code of many steps once, the secrets of each beside, and a word where they go in clear."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from .cluster import Cluster
from .packing import Piece, Work
from .stub import Order, in_parts, perform_pieces, written

_INLINE = 64 * 1024  # bytes of code that go with each task; more is put where workers fetch it once


class Sender:
    """Sends the tasks of one run; `channel` is where work says what cannot wait for its result."""

    def __init__(self, cluster: Cluster, channel: str, say: Callable[[str], None]) -> None:
        self._cluster, self._channel, self._say = cluster, channel, say
        self._stub = cluster.ray.remote(perform_pieces)
        self._shared: dict[bytes, Any] = {}
        self._has_warned = False
        if cluster.token_in_clear:
            say(cluster.token_in_clear)

    def send(self, work: Work, pieces: Sequence[Piece]) -> Any:
        """Give pieces of work to Ray as one task, and return the reference to what comes of it."""
        label = pieces[0].label + (f" and {len(pieces) - 1} more" if len(pieces) > 1 else "")
        secrets = {piece.number: piece.secrets for piece in pieces if piece.secrets}
        if secrets:
            self._warn_of_the_way()
        order = written(
            self._channel, work.fn, [Order(piece.number, piece.args, piece.lost) for piece in pieces]
        )
        return self._stub.options(**work.options(label)).remote(
            order, self._once(work.code), *in_parts(secrets)
        )

    def _once(self, code: Any) -> Any:
        if not isinstance(code, bytes) or len(code) <= _INLINE:
            return code
        if code not in self._shared:
            self._shared[code] = self._cluster.ray.put(code)
        return self._shared[code]

    def _warn_of_the_way(self) -> None:
        if self._has_warned:
            return
        self._has_warned = True
        if self._cluster.goes_in_clear:
            self._say(
                f"secrets of steps go to {self._cluster.settings.shown} without TLS: who listens on the way reads them"
            )


def outcome_of(done: Future[Any]) -> tuple[Any, BaseException | None]:
    """Return what came back of a task, and what went wrong: one of the two is None."""
    try:
        return done.result(), None
    except BaseException as error:
        return None, error
