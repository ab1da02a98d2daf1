"""A lock between the processes of one project, in its state folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from .files import NotWritableError
from .locks import file_lock
from .paths import private_state_dir


@contextmanager
def state_lock(state_dir: Path, name: str, *, timeout: float = 30.0) -> Iterator[None]:
    """Hold the lock of that name under a state folder, which is made for it.

    Where the folder cannot be written, as in a read-only checkout, there is none to hold, and a server decides
    between those who write to it, as it does between machines. Raises LockTimeoutError.
    """
    with ExitStack() as held:
        try:
            private_state_dir(state_dir)
            held.enter_context(file_lock(state_dir / name, timeout=timeout))
        except NotWritableError:
            pass
        yield
