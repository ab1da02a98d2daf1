"""Keep secret values out of output: a seat belt against accidents, not a wall against intent."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, TextIO, cast
from weakref import WeakSet

from .masker import MASK, ByteMasker, Masker
from .names import is_user_name
from .patterns import MIN_LENGTH

__all__ = ["MASK", "MaskedStream", "Masker", "known_values", "mask_text", "masked_output", "register"]

_known: dict[str, None] = {}  # grows only, so that its length says whether a masker is up to date
_listener: Callable[[str], None] | None = None
_streams: WeakSet[MaskedStream | _MaskedBuffer] = WeakSet()


def register(value: str, key: str = "") -> None:
    """Make `value` unprintable for every masked stream of this process, those already open too.

    Not so the value of a `key` for a user name: `admin` and the like are words that turn up everywhere, so that
    output would be garbled, and where; and a name alone opens nothing. What this gives up: a secret that is kept
    under such a key is shown when it is printed, unless it stands under another key or in another attribute too.
    """
    if key and is_user_name(key):
        return
    if len(value) >= MIN_LENGTH and value not in _known:
        _known[value] = None
        if _listener is not None:
            _listener(value)


def listen(listener: Callable[[str], None] | None) -> None:
    """Have somebody told of every value that is masked, those known already first; None: nobody any more."""
    global _listener
    _listener = listener
    if listener is not None:
        for value in known_values():
            listener(value)


def known_values() -> tuple[str, ...]:
    """Return the values that are being masked."""
    return tuple(_known)


def mask_text(text: str) -> str:
    """Return `text` without any value that became a secret in this process."""
    return Masker(_known).mask(text) if _known else text


@contextmanager
def masked_output() -> Iterator[None]:
    """Mask what is written to sys.stdout and sys.stderr inside."""
    undo = [_masked(name) for name in ("stdout", "stderr")]
    try:
        yield
    finally:
        for call in undo:
            call()


def _masked(name: str) -> Callable[[], None]:
    """Replace one of the standard streams, and return what puts it back."""
    stream: TextIO | None = getattr(sys, name)
    if stream is None:  # a program without a console
        return lambda: None
    masked = MaskedStream(stream)
    setattr(sys, name, masked)

    def undo() -> None:
        masked.finish()
        if getattr(sys, name) is masked:
            setattr(sys, name, stream)

    return undo


class MaskedStream:
    """Stand in for a text stream such as sys.stdout; everything but writing is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._masker = Masker(())
        self._seen = 0
        self._lock = threading.RLock()
        self._buffer: _MaskedBuffer | None = None
        _streams.add(self)

    def write(self, text: str) -> int:
        with self._lock:
            if len(_known) != self._seen:
                self._seen = len(_known)
                self._masker.use(known_values())
            shown = self._masker.feed(text)
            if shown:
                self._stream.write(shown)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush the stream; an end that may become a secret stays back."""
        with self._lock:
            shown = self._masker.flush()
            if shown:
                self._stream.write(shown)
            self._stream.flush()

    def finish(self) -> None:
        """Write what was held back; call it when nothing more comes."""
        with self._lock:
            shown = self._masker.finish()
            if shown:
                self._stream.write(shown)
            if self._buffer is not None:
                self._buffer.finish()
            self._stream.flush()

    def close(self) -> None:
        self.finish()
        self._stream.close()

    @property
    def buffer(self) -> BinaryIO:
        """The bytes below the text, masked as well."""
        if self._buffer is None:
            self._buffer = _MaskedBuffer(self._stream.buffer)
        return cast(BinaryIO, self._buffer)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._stream)

    def __enter__(self) -> MaskedStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _MaskedBuffer:
    """The binary side of a masked stream."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._masker = ByteMasker(())
        self._seen = 0
        self._lock = threading.RLock()
        _streams.add(self)

    def write(self, data: bytes) -> int:
        with self._lock:
            if len(_known) != self._seen:
                self._seen = len(_known)
                self._masker.use(known_values())
            piece = bytes(data)
            shown = self._masker.feed(piece)
            if shown:
                self._stream.write(shown)
        return len(piece)

    def writelines(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        with self._lock:
            self._stream.write(self._masker.flush())
            self._stream.flush()

    def finish(self) -> None:
        with self._lock:
            self._stream.write(self._masker.finish())
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _renew_locks() -> None:
    for stream in list(_streams):
        stream._lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
