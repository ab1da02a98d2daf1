"""`mlx orchestrator`."""

from __future__ import annotations

from typing import Annotated

import typer

from . import terminal
from .component import component_app
from .options import Output
from .terminal import Format

Orchestrator = Annotated[
    str | None,
    typer.Argument(metavar="[NAME]", help="Name of the orchestrator; the active stack's when left out."),
]

app = component_app("orchestrator")


@app.command("test")
def test(name: Orchestrator = None, output: Output = Format.table) -> None:
    """Check that a cluster answers, and that steps can run on it.

    Shows its versions, what its nodes have, and how its connections are protected. A cluster that is started for each
    run is started, and stopped again.

    Examples:

      mlx orchestrator test

      mlx orchestrator test cluster -o json
    """
    from ..stacks.orchestrators import checkable_orchestrator

    terminal.let_person_unlock()
    check = checkable_orchestrator(name).check()
    terminal.emit_one(check, output)
    found = check.to_dict()
    terminal.say(f"orchestrator {found['name']!r} answers")
    for warning in found.get("warnings", ()):
        terminal.warn(warning)
