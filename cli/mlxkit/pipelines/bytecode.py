"""Bytecode of a file that was just edited is not kept: Python would run it in the place of the next edit.

Python takes compiled code for current when second and size of its source have not changed. Two edits of the same
length within one second, as a script makes them, leave the first one running, while what is cached is keyed by the
second. git calls the same an index that is racily clean.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

_SETTLED = 2.0  # seconds


@contextmanager
def unsettled_bytecode_left_out() -> Iterator[None]:
    """Have imports write no bytecode of sources that changed a moment ago."""
    before = SourceFileLoader.set_data

    def set_data(self: Any, path: str, data: Any, **options: Any) -> None:
        try:
            age = time.time() - Path(self.path).stat().st_mtime
        except OSError:  # the source is gone meanwhile
            return
        if age > _SETTLED:
            before(self, path, data, **options)

    SourceFileLoader.set_data = set_data  # type: ignore[method-assign]
    try:
        yield
    finally:
        SourceFileLoader.set_data = before  # type: ignore[method-assign]
