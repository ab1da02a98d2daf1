"""`mlx artifact-store`."""

from __future__ import annotations

from typing import Annotated

import typer

from . import terminal
from .component import component_app
from .options import Output
from .terminal import Format

Store = Annotated[
    str | None,
    typer.Argument(metavar="[NAME]", help="Name of the artifact store; the active stack's when left out."),
]

app = component_app("artifact_store")


@app.command("test")
def test(name: Store = None, output: Output = Format.table) -> None:
    """Check that a store answers, can be written to and read from.

    Writes a small document, reads it back and deletes it; times are in milliseconds, the first with what it takes to
    connect.

    Examples:

      mlx artifact-store test

      mlx artifact-store test lake -o json
    """
    from ..checkup.store_probe import probe

    terminal.let_person_unlock()
    found = probe(name)
    terminal.emit_one(found, output)
    terminal.say(f"artifact store {found.name!r} answers and keeps what is written")
    if found.deleted is None:
        terminal.warn("nothing may be deleted in it: mlx runs prune will free no room there")
