"""A download that ends as soon as the service tells, or the bytes show, that it is larger than it may be."""

from __future__ import annotations

import errno
from typing import Any

from fsspec.callbacks import Callback


class TooLargeError(OSError):
    """A file is larger than what is asked for can be."""


def up_to(limit: int | None) -> Any:
    """Return what fsspec tells of a download; it raises TooLargeError above so many bytes, where there is a limit."""
    return _Limit(limit)


class _Limit(Callback):  # type: ignore[misc]
    def __init__(self, limit: int | None) -> None:
        super().__init__()
        self._limit = limit

    def set_size(self, size: int | None) -> None:
        super().set_size(size)
        self._check(size or 0)

    def relative_update(self, inc: int = 1) -> None:
        super().relative_update(inc)
        self._check(self.value)

    def _check(self, size: int) -> None:
        if self._limit is not None and size > self._limit:
            raise TooLargeError(errno.EINVAL, f"{size} bytes, and no more than {self._limit} are read")
