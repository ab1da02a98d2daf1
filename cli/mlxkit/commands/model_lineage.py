"""`mlx model compare` and `lineage`: what versions differ in, and where one came from."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from . import terminal
from .options import Output, StackOption
from .terminal import Format

if TYPE_CHECKING:
    from ..models.service import ModelService


class Drawing(str, Enum):
    """How a lineage is drawn."""

    tree = "tree"
    mermaid = "mermaid"

    def __str__(self) -> str:
        return self.value


def add_lineage(app: typer.Typer, service: Callable[[str | None], ModelService]) -> None:
    """Add the commands to the group of models."""

    @app.command("compare")
    def compare(
        versions: Annotated[
            list[str], typer.Argument(metavar="VERSION...", help="Two or more: NAME:3 NAME:4, NAME@alias.")
        ],
        everything: Annotated[bool, typer.Option("--all", help="Show what is the same, too.")] = False,
        output: Output = Format.table,
        stack: StackOption = None,
    ) -> None:
        """Show what model versions differ in: parameters, metrics, data, code, environment.

        Example: mlx model compare iris@production iris:7
        """
        compared = service(stack).compare(versions)
        shown = compared if everything else compared.different()
        for note in shown.notes:
            terminal.say(note)
        if output in (Format.json, Format.yaml):
            terminal.emit_one(shown, output)
            return
        terminal.emit(shown.table(), output, ["kind", "name", *shown.versions], empty="no difference")

    @app.command("lineage")
    def lineage(
        version: Annotated[str, typer.Argument(metavar="VERSION", help="NAME:3, NAME:1.0.0 or NAME@alias.")],
        drawing: Annotated[
            Drawing, typer.Option("--format", help="How it is drawn.", case_sensitive=False)
        ] = Drawing.tree,
        output: Output = Format.table,
        stack: StackOption = None,
    ) -> None:
        """Draw the way from a model version back to its data, and forward to what serves it.

        Examples:

          mlx model lineage iris@production
        """
        from ..models.drawing import mermaid, tree

        found = service(stack).lineage(version)
        if output is Format.name:
            terminal.out(found.reference)
        elif output is not Format.table:
            terminal.emit_one(found, output)
        else:
            terminal.lines(mermaid(found) if drawing is Drawing.mermaid else tree(found))
