"""Write and hash in one go, with as many cores as help.

SHA-256 of one stream uses one core, at half the speed of the page cache. The digest of content is therefore the
SHA-256 of its format's name and of the SHA-256s of its blocks of 8 MiB, which can be taken side by side.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

BLOCK = 8 << 20
_IN_PARALLEL = 1 << 20
_THREADS = min(os.cpu_count() or 1, 4)


class ContentHash:
    """The digest of content that comes in pieces; how it is cut does not matter, the format's name does."""

    def __init__(self, tag: str = "") -> None:
        self._outer = hashlib.sha256(f"mlx {tag}\n".encode())
        self._block = hashlib.sha256()
        self._filled = 0

    def update(self, piece: bytes | memoryview) -> None:
        """Add a piece."""
        view = memoryview(piece)
        while view.nbytes:
            whole = view.nbytes // BLOCK if self._filled == 0 else 0
            if whole > 1:
                for digest in _digests([view[start * BLOCK : (start + 1) * BLOCK] for start in range(whole)]):
                    self._outer.update(digest)
                view = view[whole * BLOCK :]
                continue
            part = view[: BLOCK - self._filled]
            self._block.update(part)
            self._filled += part.nbytes
            view = view[part.nbytes :]
            if self._filled == BLOCK:
                self._outer.update(self._block.digest())
                self._block, self._filled = hashlib.sha256(), 0

    def hexdigest(self) -> str:
        """Return the digest of what was added so far."""
        outer = self._outer.copy()
        if self._filled:
            outer.update(self._block.digest())
        return outer.hexdigest()


class HashingWriter:
    """A binary file that knows the digest of what was written to it. It has no descriptor to write past it."""

    def __init__(self, file: Any, tag: str = "") -> None:
        self._file = file
        self._digest = ContentHash(tag)
        self.size = 0
        self.closed = False

    def write(self, block: Any) -> int:
        """Write bytes or anything with a contiguous buffer; a large one is hashed while it is written."""
        view = memoryview(block)
        if view.nbytes == 0:
            return 0
        view = view.cast("B")
        if view.nbytes < _IN_PARALLEL:
            self._digest.update(view)
            self._file.write(view)
        else:
            hashing = Thread(target=self._digest.update, args=(view,), name="mlx-hash")
            hashing.start()
            try:
                self._file.write(view)
            finally:
                hashing.join()
        self.size += view.nbytes
        return view.nbytes

    def hexdigest(self) -> str:
        return self._digest.hexdigest()

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        """Do nothing: libraries close what they write to, and the digest is asked for afterwards."""

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False


@contextmanager
def hashing_file(path: Path, tag: str = "") -> Iterator[HashingWriter]:
    """Create a private file to write to."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        yield HashingWriter(file, tag)


def tag_of(name: str) -> str:
    """Return what a digest begins with: the format and the version of its layout."""
    return f"{name} 1"


def file_digest(path: Path, tag: str = "") -> str:
    """Return the digest of a file as `hashing_file` would have given it."""
    digest = ContentHash(tag)
    with path.open("rb", buffering=0) as file:
        buffer = memoryview(bytearray(min(_THREADS * BLOCK, os.fstat(file.fileno()).st_size + 1)))
        while count := file.readinto(buffer):
            digest.update(buffer[:count])
    return digest.hexdigest()


def _digests(blocks: list[memoryview]) -> list[bytes]:
    """Return the digests of blocks, taken in several threads: hashing lets go of the interpreter's lock."""
    found = [b""] * len(blocks)

    def take(first: int) -> None:
        for position in range(first, len(blocks), _THREADS):
            found[position] = hashlib.sha256(blocks[position]).digest()

    threads = [
        Thread(target=take, args=(first,), name="mlx-hash") for first in range(1, min(_THREADS, len(blocks)))
    ]
    for thread in threads:
        thread.start()
    take(0)
    for thread in threads:
        thread.join()
    return found
