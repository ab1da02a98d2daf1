"""`mlx artifact`: what steps produced."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import terminal
from .app import new_app
from .options import Output
from .terminal import Format

app = new_app("Look at what steps produced, and get it.")

ArtifactName = Annotated[
    str,
    typer.Argument(
        metavar="ARTIFACT", help="pipeline::step::output, step::output, output, or the start of a digest."
    ),
]
RunOption = Annotated[
    str | None, typer.Option("--run", metavar="RUN", help="As this run had it, not the newest.")
]


@app.command("list")
def list_(
    pipeline: Annotated[
        str | None, typer.Option("--pipeline", metavar="NAME", help="Only artifacts of this pipeline.")
    ] = None,
    run: Annotated[
        str | None, typer.Option("--run", metavar="RUN", help="Only what this run used or made.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-l", min=1, help="How many at most.")] = 50,
    output: Output = Format.table,
) -> None:
    """List artifacts, the newest first."""
    from ..client import Client

    runs = Client().runs
    listed = runs.artifacts(limit=limit, pipeline=pipeline, run_id=runs.get(run).id if run else None)
    terminal.emit(
        listed, output, ["name", "type", "size", "digest", "run", "summary"], empty="no artifacts yet"
    )


@app.command("describe")
def describe(artifact: ArtifactName, run: RunOption = None, output: Output = Format.table) -> None:
    """Show one artifact."""
    from ..client import Client

    terminal.emit_one(Client().runs.artifact(artifact, run)[0], output)


@app.command("get")
def get(
    artifact: ArtifactName,
    run: RunOption = None,
    path: Annotated[
        Path | None,
        typer.Option(
            "--path", metavar="PATH", help="Write the stored file here instead of printing the value."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite PATH.")] = False,
) -> None:
    """Print an artifact's value, or copy its file."""
    from ..client import Client

    view = Client().get_artifact(artifact, run=run)
    if path is None:
        terminal.out(str(view.load()))
    else:
        terminal.say(f"{artifact} written to {view.copy_to(path, overwrite=force)}")
