"""A drawing or a page, written to the file that somebody named: another file stays unless told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import terminal

Overwrite = Annotated[bool, typer.Option("--force", help="Overwrite FILE.")]


def write_page(file: Path, text: str, what: str, *, force: bool) -> None:
    """Write a text to a new file, secrets masked; raises AlreadyExistsError for one that is there, unless `force`."""
    from ..config.files import write_atomic
    from ..errors import AlreadyExistsError

    if file.exists() and not force:
        raise AlreadyExistsError(f"{file} exists", hint="add --force")
    write_atomic(file, terminal.masked(text).encode("utf-8", "replace"))
    terminal.say(f"{what} written to {file}")
