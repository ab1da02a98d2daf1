"""Write and hash in one go: large blocks are hashed in a second thread while the first writes them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

_IN_PARALLEL = 1 << 20
_READ_BLOCK = 1 << 20


def tagged(tag: str) -> Any:
    """Return a SHA-256 that begins with the name of a format: the same bytes in two formats are two contents."""
    return hashlib.sha256(f"mlx {tag}\n".encode())


class HashingWriter:
    """A binary file that knows the digest of what was written to it. It has no descriptor to write past it."""

    def __init__(self, file: Any, digest: Any) -> None:
        self._file = file
        self._digest = digest
        self.size = 0
        self.closed = False

    def write(self, block: Any) -> int:
        """Write bytes or anything with a contiguous buffer."""
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
        return str(self._digest.hexdigest())

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
    """Create a private file to write to; its digest begins with the tag when there is one."""
    with os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600), "wb"
    ) as file:
        yield HashingWriter(file, tagged(tag) if tag else hashlib.sha256())


def file_digest(path: Path, tag: str = "") -> str:
    """Return the digest of a file as `hashing_file` would have given it."""
    digest = tagged(tag) if tag else hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        block = bytearray(_READ_BLOCK)
        view = memoryview(block)
        while count := file.readinto(view):
            digest.update(view[:count])
    return str(digest.hexdigest())
