"""The pieces of work that are open: what they say is passed on in order, and each has one outcome after all of it."""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterable, Sequence
from typing import Any

from .packing import Ending, Piece


class Ledger:
    """Keeps pieces until they are settled; `hears` says whether a channel brings what they say before they end."""

    def __init__(self) -> None:
        self.hears = False
        self._open: dict[int, Piece] = {}
        self._late: dict[int, Piece] = {}

    def __len__(self) -> int:
        return len(self._open)

    def add(self, piece: Piece) -> None:
        """Keep a piece."""
        self._open[piece.number] = piece

    def hear(self, batches: Iterable[bytes]) -> None:
        """Pass on what came through the channel; what comes a second time, or from a worker that is lost, is left out."""
        for batch in batches:
            for number, index, event in pickle.loads(batch):  # noqa: S301  our own workers'
                piece = self._open.get(number)
                if piece is not None and index >= piece.heard:
                    piece.heard = index + 1
                    self._say(piece, event)

    def end(self, piece: Piece, ending: Ending) -> None:
        """Settle a piece, now or when everything that it said before is here."""
        if ending.sent <= piece.heard or not self.hears:
            self._settle(piece, ending)
        else:
            piece.ending = ending
            self._late[piece.number] = piece

    def settle_late(self, now: float) -> None:
        """Settle what waited long enough for what was said before."""
        for piece in list(self._late.values()):
            ending = piece.ending
            if ending is not None and (piece.heard >= ending.sent or now > ending.until):
                self._settle(piece, ending)

    def fail(self, piece: Piece, error: BaseException) -> None:
        """Settle a piece at once."""
        self._finish(piece, None, error)

    def fail_all(self, error: BaseException) -> None:
        """Settle everything at once."""
        for piece in list(self._open.values()):
            self._finish(piece, None, error)

    def _settle(self, piece: Piece, ending: Ending) -> None:
        for event in ending.events:
            self._say(piece, event)
        self._finish(piece, ending.result, ending.error)

    def _say(self, piece: Piece, event: Any) -> None:
        try:
            piece.on_event(event)
        except Exception as error:  # the driver's own: it is the outcome, and the work's is not heard
            self._finish(piece, None, error)

    def _finish(self, piece: Piece, result: Any, error: BaseException | None) -> None:
        self._late.pop(piece.number, None)
        if self._open.pop(piece.number, None) is None:
            return
        if error is not None:
            piece.outcome.set_exception(error)
        else:
            piece.outcome.set_result(result)


def ending(
    result: Any, error: BaseException | None, sent: int, events: Sequence[Any], patience: float
) -> Ending:
    """Return what came of a piece; `patience` is how many seconds it waits for what it said before."""
    return Ending(result, error, sent, events, time.monotonic() + patience)
