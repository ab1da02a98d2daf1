"""`mlx runs cancel`: a run that goes on is ended, here or on its cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from ..errors import MlxError
from . import terminal
from .options import Output, Yes
from .runs_describe import RunName
from .terminal import Format

if TYPE_CHECKING:
    from ..client import Client
    from ..runs.detached.place import Place
    from ..runs.records import RunRecord

_CLUSTER_SECONDS = 60.0
_COLUMNS = ["id", "name", "status", "started", "duration"]


def add_cancel(app: typer.Typer) -> None:
    """Add the command to the group of runs."""

    @app.command("cancel")
    def cancel(
        run: RunName,
        yes: Yes = False,
        output: Output = Format.table,
    ) -> None:
        """End a run that goes on, and wait until it has ended.

        A run of this machine is told as Ctrl-C tells it, a detached one by stopping its job: its step ends, its tracker's
        run is closed, and it is `killed`. Where nobody can be asked about a detached run any more (its cluster is gone, or
        its orchestrator, or takes our token no more), the run is given up (with --yes, or when you say so): it is
        `interrupted` then. One that is over already stays as it is.

        Examples:

          mlx runs cancel latest

          mlx runs cancel 06gx1zrk2 --yes
        """
        from ..client import Client

        client = Client()
        found = client.runs.get(run)
        if found.status != "running":
            terminal.say(f"run {found.name} had ended already: {found.status}")
        else:
            found = _cancelled(client, found, yes=yes)
            terminal.say(f"run {found.name} is {found.status}")
        if output is not Format.table:
            terminal.emit([found], output, _COLUMNS)
        if found.status == "running":
            raise MlxError(
                f"run {found.name!r} has not ended yet", hint=f"mlx runs logs {found.id}, or cancel it again"
            )


def _cancelled(client: Client, run: RunRecord, *, yes: bool) -> RunRecord:
    from ..runs.cancelling import cancel_here
    from ..runs.detached.place import Place

    place = Place.of(run)
    if place is None:
        return cancel_here(client.history, run)
    terminal.let_person_unlock()
    try:
        news = client.detached.cancel(run, patience=_CLUSTER_SECONDS)
    except MlxError as error:
        return _given_up(client, run, place, error.message, yes=yes)
    if news.unknown and news.run.status == "running":
        return _given_up(client, run, place, news.unknown, yes=yes)
    return news.run


def _given_up(client: Client, run: RunRecord, place: Place, why: str, *, yes: bool) -> RunRecord:
    terminal.warn(f"unknown how run {run.name} is: {why}")
    terminal.confirm(f"give the run up, although job {place.job} may still go on?", yes=yes)
    return client.detached.give_up(run, why)
