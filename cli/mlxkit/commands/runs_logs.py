"""`mlx runs logs`: what the steps of a run printed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ExitCode
from . import terminal
from .refreshing import refreshed, unknown
from .runs_describe import RunName
from .steering import Tamed
from .streams import put

if TYPE_CHECKING:
    from ..client import Client
    from ..runs.logs import Piece
    from ..runs.records import RunRecord


def add_logs(app: typer.Typer) -> None:
    """Add the command to the group of runs."""

    @app.command("logs")
    def logs(
        run: RunName = "latest",
        step: Annotated[str | None, typer.Argument(metavar="STEP", help="Only this step.")] = None,
        is_followed: Annotated[
            bool, typer.Option("--follow", "-f", help="Go on while the run does, until it ends or Ctrl-C.")
        ] = False,
        tail: Annotated[
            int | None, typer.Option("--tail", "-n", min=0, metavar="N", help="Only the last lines.")
        ] = None,
    ) -> None:
        """Print what the steps of a run printed.

        It is text as it was printed, so there is no --output; `mlx runs describe -o json` has what is known of the steps.

        Examples:

          mlx runs logs

          mlx runs logs latest fit -f

          mlx runs logs train-2026 --tail 20
        """
        from ..client import Client
        from ..runs.logs import Piece, follow, logs_of

        client = Client()
        shown = client.runs.get(run)
        queries, state_dir = client.runs, client.project.state_dir
        if is_followed:
            try:
                pieces = follow(queries, state_dir, shown.id, step, tail=tail, ask=_asking(client, shown))
                _print(pieces, with_steps=step is None)
            except KeyboardInterrupt:  # how following is meant to end: without a word
                raise typer.Exit(int(ExitCode.interrupted)) from None
            return
        shown = refreshed(client, shown)
        found = logs_of(queries, state_dir, shown.id, step, tail=tail)
        _print((Piece(name, text, True) for name, text in found), with_steps=step is None)


def _asking(client: Client, run: RunRecord) -> Callable[[], object] | None:
    """Return what brings a run up to date that goes on elsewhere, and says when it becomes unknown how that is, or known."""
    if run.status != "running" or "detached" not in run.metadata:
        return None
    terminal.let_person_unlock()
    said = ""

    def ask() -> None:
        nonlocal said
        news = client.detached.refresh(client.runs.get(run.id))
        if news.unknown and not said:
            terminal.warn(f"{unknown(news)}; Ctrl-C ends this")
        elif said and not news.unknown:
            terminal.say(f"run {news.run.name} is {news.run.status}")
        said = news.unknown

    ask()
    return ask


def _print(pieces: Iterable[Piece], *, with_steps: bool) -> None:
    """Print each step's text under its name, which goes to stderr; the next name begins a line.

    A pipe gets the text as it is, a terminal without what would steer it.
    """
    tamed = Tamed() if terminal.is_terminal(sys.stdout) else None
    end = "\n"
    for piece in pieces:
        if piece.is_new:
            put(tamed.finish() if tamed else "")
            if end != "\n":
                put("\n")
            sys.stdout.flush()
            if with_steps:
                terminal.say(f"--- {piece.step}")
        put(tamed.feed(piece.text) if tamed else piece.text)
        end = piece.text[-1:] or end
        sys.stdout.flush()  # somebody may be waiting for it at the other end
    put(tamed.finish() if tamed else "")
    if end != "\n":
        put("\n")
