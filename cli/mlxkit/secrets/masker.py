"""Search a stream of text or bytes for secrets, across the borders of its pieces."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from functools import lru_cache
from typing import AnyStr, Generic

from .patterns import MIN_LENGTH, patterns

MASK = "***"

_patterns = lru_cache(maxsize=1024)(patterns)


class _Engine(Generic[AnyStr]):
    """Replace patterns by a mask; of the text so far, hold back only an end that a pattern may begin with.

    `_shown` counts the characters of what is held that are out already, `_masked` those of them that went out
    as a mask.
    """

    def __init__(self, found: Iterable[AnyStr], mask: AnyStr) -> None:
        self._mask: AnyStr = mask
        self._empty: AnyStr = mask[:0]
        self._held: AnyStr = self._empty
        self._shown = self._masked = 0
        self._use(found)

    def _use(self, found: Iterable[AnyStr]) -> None:
        self._sorted: list[AnyStr] = sorted(set(found))
        self._longest = max(map(len, self._sorted), default=0)
        self._search: re.Pattern[AnyStr] | None = None
        self._first: re.Pattern[AnyStr] | None = None
        if self._sorted:
            longest_first = sorted(self._sorted, key=len, reverse=True)
            self._search = _either(longest_first)
            self._first = _either(sorted({text[:1] for text in self._sorted}))

    def feed(self, piece: AnyStr) -> AnyStr:
        """Take the next piece and return what may be shown."""
        if self._search is None and not self._held:
            return piece
        data = self._held + piece
        return self._emit(data, self._tail(data))

    def flush(self) -> AnyStr:
        """Return what is held back if it is too short to give a secret away, so that a prompt is complete."""
        if len(self._held) >= MIN_LENGTH:
            return self._empty
        shown, self._shown = self._held[self._shown :], len(self._held)
        return shown

    def finish(self) -> AnyStr:
        """Return everything held back: nothing follows that could complete it."""
        return self._emit(self._held, len(self._held))

    def _emit(self, data: AnyStr, cut: int) -> AnyStr:
        """Return `data` up to `cut` with the secrets masked, and hold the rest."""
        pieces: list[AnyStr] = []
        at, masked = self._shown, self._masked
        for begin, end in self._spans(data):
            if begin >= cut:
                break
            pieces.append(data[at:begin])
            if end > at and (begin > 0 or not self._masked):
                pieces.append(self._mask)
            at, masked = max(at, end), end
        pieces.append(data[at:cut])
        self._held, self._shown, self._masked = data[cut:], max(0, at - cut), max(0, masked - cut)
        return self._empty.join(pieces)

    def _spans(self, data: AnyStr) -> list[tuple[int, int]]:
        """Return where secrets are, overlapping ones joined; what went out as a mask already comes first."""
        spans = [(0, self._masked)] if self._masked else []
        match = self._search.search(data) if self._search else None
        while match and self._search:
            if spans and match.start() < spans[-1][1]:
                spans[-1] = (spans[-1][0], max(spans[-1][1], match.end()))
            else:
                spans.append(match.span())
            match = self._search.search(data, match.start() + 1)
        return spans

    def _tail(self, data: AnyStr) -> int:
        """Return where the longest end of `data` begins that is the beginning of a longer pattern."""
        if self._first is None:
            return len(data)
        for match in self._first.finditer(data, max(0, len(data) - self._longest + 1)):
            end = data[match.start() :]
            place = bisect_left(self._sorted, end)
            for text in self._sorted[
                place : place + 2
            ]:  # `end` itself may be a pattern, a longer one is next to it
                if len(text) > len(end) and text.startswith(end):
                    return match.start()
        return len(data)


class Masker(_Engine[str]):
    """Mask text: `feed` pieces, `finish` at the end, or `mask` a whole one."""

    def __init__(self, values: Iterable[str]) -> None:
        super().__init__(_texts(values), MASK)

    def use(self, values: Iterable[str]) -> None:
        """Look for these values from now on; what is held back stays held."""
        self._use(_texts(values))

    def mask(self, text: str) -> str:
        """Return a whole text with the secrets masked."""
        return self.feed(text) + self.finish()


class ByteMasker(_Engine[bytes]):
    """Mask bytes, for what goes round the text layer of a stream."""

    def __init__(self, values: Iterable[str]) -> None:
        super().__init__(_bytes(values), MASK.encode())

    def use(self, values: Iterable[str]) -> None:
        """Look for these values from now on; what is held back stays held."""
        self._use(_bytes(values))


def _texts(values: Iterable[str]) -> set[str]:
    return {text for value in values for text in _patterns(value)}


def _bytes(values: Iterable[str]) -> set[bytes]:
    return {text.encode("utf-8", "surrogatepass") for text in _texts(values)}


def _either(texts: list[AnyStr]) -> re.Pattern[AnyStr]:
    bar = b"|" if isinstance(texts[0], bytes) else "|"
    return re.compile(bar.join(map(re.escape, texts)))
