"""`mlx runs describe` and `mlx runs url`: one run as a whole."""

from __future__ import annotations

from typing import Annotated

import typer

from . import terminal
from .options import Output
from .refreshing import refreshed
from .terminal import Format

RunName = Annotated[
    str, typer.Argument(metavar="RUN", help="A run's id (or its start), name, MLflow run id, or latest.")
]


def add_description(app: typer.Typer) -> None:
    """Add the commands to the group of runs."""

    @app.command("describe")
    def describe(
        run: RunName = "latest",
        environment: Annotated[
            bool, typer.Option("--environment", help="Show every distribution that was installed.")
        ] = False,
        team: Annotated[
            bool,
            typer.Option("--team", help="Show what the tracker knows of a run, whoever ran it wherever."),
        ] = False,
        output: Output = Format.table,
    ) -> None:
        """Show one run: its steps, what they made, what was logged, and where it ran.

        JSON and YAML have all of it, the whole environment included. With --team the tracker of the active stack is
        asked, which knows params, metrics and tags, and no steps.

        Examples:

          mlx runs describe

          mlx runs describe train-2026 --environment

          mlx runs describe latest -o json

          mlx runs describe --team 06gx1zrk2
        """
        if team:
            _describe_of_team(run, output)
            return
        from ..client import Client
        from ..runs.describe import describe_run

        client = Client()
        shown = refreshed(client, client.runs.get(run))
        described = describe_run(client.runs, shown.id)
        if output is not Format.table:
            terminal.emit_one(described, output)
            return
        terminal.emit_one(described.summary(), output)
        if described.steps:
            terminal.out("")
            terminal.emit(described.step_summaries(), output, ["name", "status", "duration", "reason"])
        artifacts = described.artifacts()
        if artifacts:
            terminal.out("")
            terminal.emit(artifacts, output, ["artifact", "type", "size", "digest"])
        for step in described.failed():
            terminal.out("")
            terminal.lines([f"step {step.name} {step.status}:", *step.error.splitlines()])
        if environment:
            terminal.out("")
            terminal.emit(described.distributions(), output, ["name", "version"], empty="no distributions")

    @app.command("url")
    def url(
        run: RunName = "latest",
        is_opened: Annotated[bool, typer.Option("--open", help="Open it in a browser, too.")] = False,
        output: Output = Format.table,
    ) -> None:
        """Print the address of a run in its tracker's UI, from what history knows of it.

        The run of a store of this machine has an address while its UI is served: `mlx tracker ui`.

        Examples:

          mlx runs url

          mlx runs url train-2026 --open
        """
        from ..client import Client
        from ..runs.describe import link_of

        link = link_of(Client().runs, run)
        terminal.emit_address(link.url, output)
        if link.is_local:
            terminal.say(f"served by: mlx tracker ui {link.tracker}")
        if is_opened:
            import webbrowser

            webbrowser.open(link.url)


def _describe_of_team(run: str, output: Format) -> None:
    from ..client import Client

    terminal.let_person_unlock()
    described = Client().team.get(run)
    terminal.emit_one(described if output is not Format.table else described.summary(), output)
