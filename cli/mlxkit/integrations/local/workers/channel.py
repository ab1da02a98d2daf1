"""What the driver and a worker say to each other: tuples, pickled here, each behind its length.

To a worker: ("hello", paths), ("work", number, target, code number, code or None, args, secrets, lost),
("heard", ask), ("stop",). From it: ("said", number, events, ask), ("done", number, succeeded, pickle, text).
"""

from __future__ import annotations

import pickle
import struct
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

_LENGTH = struct.Struct("!Q")
_CODES = 8  # what a worker keeps of the code that it was given: a run has one, or one a change in a notebook


def framed(*message: Any) -> bytes:
    """Return a message as it goes over the wire."""
    body = pickle.dumps(message, protocol=5)
    return _LENGTH.pack(len(body)) + body


class Frames:
    """Puts messages together from what a socket gave, whatever the pieces."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, received: bytes) -> Iterator[tuple[Any, ...]]:
        """Yield the messages that are complete now."""
        self._held += received
        while len(self._held) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._held)
            end = _LENGTH.size + length
            if len(self._held) < end:
                return
            body = bytes(memoryview(self._held)[_LENGTH.size : end])
            del self._held[:end]
            yield pickle.loads(body)  # noqa: S301 - from a process of ours, over a channel that only we have


class SentCode:
    """Which code a worker has: the driver's half. Both halves forget the same, since both see the same order."""

    def __init__(self) -> None:
        self._numbers: OrderedDict[bytes, int] = OrderedDict()
        self._next = 0

    def number(self, code: bytes) -> tuple[int, bytes | None]:
        """Return the number of a piece of code, and the code itself when the worker does not have it."""
        known = self._numbers.get(code)
        if known is not None:
            self._numbers.move_to_end(code)
            return known, None
        self._next += 1
        self._numbers[code] = self._next
        if len(self._numbers) > _CODES:
            self._numbers.popitem(last=False)
        return self._next, code


class KeptCode:
    """The code that a worker was given: the worker's half."""

    def __init__(self) -> None:
        self._codes: OrderedDict[int, bytes] = OrderedDict()

    def code(self, number: int, code: bytes | None) -> bytes:
        """Return the code of a number: always the same object, so that what is made from it can be kept by it."""
        if code is not None:
            self._codes[number] = code
            if len(self._codes) > _CODES:
                self._codes.popitem(last=False)
        else:
            self._codes.move_to_end(number)
        return self._codes[number]
