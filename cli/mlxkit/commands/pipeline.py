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
    """List the pipelines that have run."""
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
    """Show one pipeline.

    Examples:

      mlx pipeline describe training
    """
    from ..client import Client

    terminal.emit_one(Client().runs.pipeline(name), output)
