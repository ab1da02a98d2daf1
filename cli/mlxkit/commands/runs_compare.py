"""`mlx runs compare`: what runs differ in."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import terminal
from .options import Output
from .pagefile import Overwrite, write_page
from .terminal import Format

if TYPE_CHECKING:
    from ..runs.compare import Comparison

_WIDTH = 80


def add_comparison(app: typer.Typer) -> None:
    """Add the command to the group of runs."""

    @app.command("compare")
    def compare(
        runs: Annotated[
            list[str],
            typer.Argument(
                metavar="RUN...", help="Two or more: ids (or their starts), names, MLflow run ids, latest."
            ),
        ],
        everything: Annotated[bool, typer.Option("--all", help="Show what is the same, too.")] = False,
        lower: Annotated[
            list[str] | None,
            typer.Option("--lower", metavar="METRIC", help="Lower values of this metric are better."),
        ] = None,
        higher: Annotated[
            list[str] | None,
            typer.Option("--higher", metavar="METRIC", help="Higher values of this metric are better."),
        ] = None,
        curves: Annotated[
            bool, typer.Option("--curves", help="Draw how metrics went, from the tracker's history.")
        ] = False,
        html: Annotated[
            Path | None,
            typer.Option("--html", metavar="FILE", help="Write it all, with curves, as one page."),
        ] = None,
        force: Overwrite = False,
        output: Output = Format.table,
    ) -> None:
        """Show what runs differ in, and which did best.

        Parameters, metrics, the project's files, each step's cache key, data, distributions and time are compared.

        The best value of a metric has a star: the lowest of a loss or an error, the highest of an accuracy or a score,
        by the words in its name. Only --curves and --html ask the tracker; and metrics of runs that history has none of.

        Examples:

          mlx runs compare 3f2a latest

          mlx runs compare 3f2a 77b0 latest --curves --lower pinball

          mlx runs compare 3f2a latest --html compared.html
        """
        from ..client import Client
        from ..runs.compare import compare as compare_runs

        client = Client()
        compared = compare_runs(
            client.runs, runs, state_dir=client.project.state_dir, trackers=client.session.tracker, lower=lower or (),
            higher=higher or (), with_curves=curves or html is not None,
        )  # fmt: skip
        shown = compared if everything else compared.different()
        if html is not None:
            from ..runs.compare_page import page

            write_page(html, page(shown), "comparison", force=force)
        if output in (Format.json, Format.yaml):
            terminal.emit_one(shown, output)
        else:
            _print(shown, output, curves=curves)


def _print(compared: Comparison, output: Format, *, curves: bool) -> None:
    if output is Format.table:
        terminal.emit(compared.runs, output, ["letter", "id", "name", "status", "started", "duration"])
        terminal.out("")
    letters = [run.letter for run in compared.runs]
    terminal.emit(compared.table(), output, ["kind", "name", *letters], empty="nothing differs")
    if compared.is_same and compared.rows:
        terminal.say("nothing differs but the time")
    if compared.other_curves:
        terminal.say(f"these went another way: {', '.join(compared.other_curves)}")
    for note in compared.notes:
        terminal.say(note)
    if curves and output is Format.table:
        terminal.lines(_charts(compared))


def _charts(compared: Comparison) -> list[str]:
    from ..runs.chart import chart

    drawn = []
    for name, found in compared.curves.items():
        drawn += ["", *chart(name, list(found.items()), width=_WIDTH, is_plain=not _takes_braille())]
    return drawn


def _takes_braille() -> bool:
    """Say whether what stdout is written in has the characters."""
    try:
        "⣿│".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
