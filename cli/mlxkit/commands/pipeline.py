"""`mlx pipeline`: pipelines and their last runs."""

from __future__ import annotations

from typing import Annotated

import typer

from . import terminal
from .app import new_app
from .options import Output
from .terminal import Format
from .zenml_words import add_pipeline_words

app = new_app("Look at pipelines and their last runs.")
add_pipeline_words(app)


@app.command("list")
def list_(output: Output = Format.table) -> None:
    """List the pipelines that have run.

    Examples:

      mlx pipeline list

      mlx pipeline list -o json
    """
    from ..client import Client

    terminal.emit(
        Client().runs.pipelines(),
        output,
        ["name", "runs", "last_status", "last_started", "last_run"],
        empty="no pipeline has run yet",
    )


@app.command("describe")
def describe(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The pipeline.")],
    output: Output = Format.table,
) -> None:
    """Show one pipeline: how its runs ended, how long one takes, and the newest of them.

    Examples:

      mlx pipeline describe training

      mlx pipeline describe training -o json
    """
    from ..client import Client
    from ..runs.pipelines import describe_pipeline

    found = describe_pipeline(Client().history, name)
    if output is not Format.table:
        terminal.emit_one(found, output)
        return
    terminal.emit_one(found.head(), output)
    terminal.out("")
    terminal.emit(found.recent, output, ["id", "name", "status", "stack", "started", "duration"])
