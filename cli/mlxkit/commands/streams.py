"""The standard streams where they are closed, full, have lost their reader, or carry data."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress

from ..errors import MlxError


class OutputLostError(MlxError):
    """What was to be printed could not be written."""


def put(text: str) -> None:
    """Write to standard output."""
    try:
        sys.stdout.write(text)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise lost(error) from error


def lost(error: OSError) -> OutputLostError:
    """Give standard output up, so that it is not tried again, and return what to say."""
    give_up()
    return OutputLostError(f"cannot write to standard output: {error.strerror}")


def give_up() -> None:
    """Let what is still to be written go nowhere; or it would fail again when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def open_missing() -> None:
    """Put something in the place of streams that were closed by who started us.

    A standard output that was closed can be opened for reading only: writing to it fails, and no file that is opened
    later gets its number and what is printed.
    """
    for name, flags, mode in (
        ("stdin", os.O_RDONLY, "r"),
        ("stdout", os.O_RDONLY, "w"),
        ("stderr", os.O_WRONLY, "w"),
    ):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, flags), mode, encoding="utf-8"))


@contextmanager
def kept_for_data() -> Iterator[None]:
    """Let what is printed meanwhile go to stderr: by Python, by C code and by the processes that are started."""
    stdout = sys.stdout
    try:
        is_ours = stdout.fileno() == 1
    except (OSError, ValueError, AttributeError):  # somebody's own stream
        is_ours = False
    with redirect_stdout(sys.stderr):
        if not is_ours:
            yield
            return
        stdout.flush()
        kept = os.dup(1)
        os.dup2(2, 1)
        try:
            yield
        finally:
            with suppress(OSError, ValueError):  # what others printed is not worth the data
                stdout.flush()
            os.dup2(kept, 1)
            os.close(kept)
