"""`mlx runs`: what was run."""

from __future__ import annotations

from typing import Annotated

import typer

from . import terminal
from .app import new_app
from .options import Output
from .runs_graph import add_graph
from .runs_rerun import add_rerun
from .terminal import Format

app = new_app("Look at what was run.")

RunName = Annotated[
    str, typer.Argument(metavar="RUN", help="A run's id (or its start), name, MLflow run id, or latest.")
]


@app.command("list")
def list_(
    pipeline: Annotated[
        str | None, typer.Option("--pipeline", metavar="NAME", help="Only runs of this pipeline.")
    ] = None,
    status: Annotated[
        str | None,
        typer.Option(
            "--status",
            metavar="STATUS",
            help="Only runs that are running, completed, failed, killed or interrupted.",
        ),
    ] = None,
    stack: Annotated[
        str | None, typer.Option("--stack", metavar="NAME", help="Only runs on this stack.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-l", min=1, help="How many at most.")] = 20,
    output: Output = Format.table,
) -> None:
    """List runs, the newest first."""
    from ..client import Client

    runs = Client().runs.list(limit=limit, pipeline=pipeline, status=status, stack=stack)
    terminal.emit(
        runs,
        output,
        ["id", "name", "status", "stack", "started", "duration"],
        empty="no runs yet; mlx run FILE makes one",
    )


@app.command("describe")
def describe(run: RunName = "latest", output: Output = Format.table) -> None:
    """Show one run with its steps."""
    from ..client import Client
    from ..runs.describe import describe_run

    described = describe_run(Client().runs, run)
    if output is Format.table:
        terminal.emit_one(described.summary(), output)
        terminal.out("")
        terminal.emit(
            described.steps,
            output,
            ["name", "status", "duration", "reason", "metadata.experiment_tracker_url"],
        )
    else:
        terminal.emit_one(described, output)


@app.command("logs")
def logs(
    run: RunName = "latest",
    step: Annotated[str | None, typer.Argument(metavar="STEP", help="Only this step.")] = None,
) -> None:
    """Print what the steps of a run printed."""
    from ..client import Client
    from ..runs.describe import logs_of

    client = Client()
    for name, text in logs_of(client.runs, client.project.state_dir, run, step):
        if step is None:
            terminal.say(f"--- {name}")
        terminal.out(text.rstrip("\n"))


add_graph(app)
add_rerun(app)
