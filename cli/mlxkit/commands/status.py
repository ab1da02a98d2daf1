"""`mlx status`."""

from __future__ import annotations

from . import terminal
from .app import new_app
from .options import Output, StackOption
from .terminal import Format

app = new_app("Say where this project stands: its stack, tracker and last run.")


@app.command("status")
def status(stack: StackOption = None, output: Output = Format.table) -> None:
    """Say where this project stands, at once and offline.

    Examples:

      mlx status

      mlx status -o json

    No server and no keyring is asked; `mlx doctor` does that.
    """
    from ..checkup.status import status_of

    found = status_of(stack=stack)
    if output is Format.name:
        terminal.out(found.stack)
    elif output is Format.table:
        terminal.pairs(found.said())
    else:
        terminal.emit_one(found, output)
    for problem in found.problems:
        terminal.warn(problem)
