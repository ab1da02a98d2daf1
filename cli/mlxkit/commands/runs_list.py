"""`mlx runs list`: which runs there are, filtered and sorted."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import UsageError, did_you_mean
from . import terminal
from .options import Output
from .terminal import Format

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..runs.search import Found, RunFilter, RunListing
    from ..runs.where import Field

SHORT = 10  # characters of an id that tell runs apart unless they began in the same millisecond

MOST = 1_000_000  # runs of a listing
_COLUMNS = ["id", "name", "status", "stack", "started", "duration"]
Pipeline = Annotated[
    str | None, typer.Option("--pipeline", metavar="NAME", help="Only runs of this pipeline.")
]
Status = Annotated[
    str | None,
    typer.Option(
        "--status",
        metavar="STATUS",
        help="Only runs that are running, completed, failed, killed or interrupted.",
    ),
]


def add_list(app: typer.Typer) -> None:
    """Add the command to the group of runs."""

    @app.command("list")
    def list_(
        pipeline: Pipeline = None,
        status: Status = None,
        stack: Annotated[
            str | None, typer.Option("--stack", metavar="NAME", help="Only runs on this stack.")
        ] = None,
        since: Annotated[
            str | None,
            typer.Option(
                "--since",
                metavar="TIME",
                help="Only runs begun since a date, an ISO time, or an age: 2h, 7d, 3w.",
            ),
        ] = None,
        until: Annotated[
            str | None,
            typer.Option("--until", metavar="TIME", help="Only runs begun before then; a date counts whole."),
        ] = None,
        tag: Annotated[
            list[str] | None,
            typer.Option(
                "--tag", metavar="TAG", help="Only runs with this tag; a key alone means any value."
            ),
        ] = None,
        where: Annotated[
            list[str] | None,
            typer.Option("--where", "-w", metavar="CONDITION", help="Only runs of which this is true."),
        ] = None,
        sort: Annotated[
            str | None,
            typer.Option(
                "--sort",
                metavar="FIELD",
                help="Sort by started, duration, name, status, metrics.NAME or params.NAME; -FIELD from the largest.",
            ),
        ] = None,
        team: Annotated[
            bool,
            typer.Option("--team", help="List everybody's runs, from the tracker of the active stack."),
        ] = False,
        is_refreshed: Annotated[
            bool, typer.Option("--refresh", help="Ask the clusters of detached runs how these are.")
        ] = False,
        reverse: Annotated[bool, typer.Option("--reverse", "-r", help="Turn the order round.")] = False,
        limit: Annotated[int, typer.Option("--limit", "-l", min=1, max=MOST, help="How many at most.")] = 20,
        output: Output = Format.table,
    ) -> None:
        """List runs, the newest first.

        A condition is a field, an operator and a value, several joined by `and`. Fields are metrics.NAME and
        params.NAME (what the run logged to its tracker), parameters.NAME (of the pipeline), status, pipeline,
        stack, name, id, kind, file, error, commit, started, ended, duration and tags. Operators are = != < <= > >=,
        ~ (contains) and like (with % and _). Names and values with blanks are quoted. A metric or parameter that a
        condition or --sort names is shown as a column.

        With --team the tracker is asked, so that the runs of a cluster, of CI and of colleagues are there: those that were
        tracked. Metrics are those of a run itself, tags those that it began with.

        Examples:

          mlx runs list --pipeline train --since 7d

          mlx runs list --where "metrics.rmse < 0.8 and params.model = ridge" --sort metrics.rmse

          mlx runs list --where 'metrics."val loss" <= 1e-3' --tag keep -o json

          mlx runs list --team --pipeline train
        """
        from ..client import Client
        from ..runs.moments import parse_moment
        from ..runs.search import RunFilter, search

        wanted = RunFilter(
            pipeline=pipeline, status=status, stack=stack, tags=tag or (), where=where or (), sort=sort, is_reversed=reverse,
            since=parse_moment(since) if since else None, until=parse_moment(until, is_end=True) if until else None,
        )  # fmt: skip
        if team and is_refreshed:
            raise UsageError(
                "--refresh asks about this machine's runs, and --team lists those that the tracker knows",
                hint="mlx runs list --refresh, then mlx runs list --team",
            )
        if team:
            _list_team(wanted, limit, output)
            return
        if is_refreshed:
            from .refreshing import refresh_all

            refresh_all(Client())
        found = search(Client().history, wanted, limit=limit)
        is_filtered = wanted != RunFilter(sort=sort, is_reversed=reverse)
        empty = "no run fits" if is_filtered else "no runs yet; mlx run FILE makes one"
        if pipeline is not None and not found.runs:
            names = [record.name for record in Client().runs.pipelines()]
            empty = (
                empty
                if pipeline in names
                else f"no pipeline {pipeline!r} has run{did_you_mean(pipeline, names)}"
            )
        _emit(found, output, _COLUMNS, empty)


def _list_team(wanted: RunFilter, limit: int, output: Format) -> None:
    from ..client import Client

    terminal.let_person_unlock()
    found = Client().team.search(wanted, limit=limit)
    _emit(found, output, [*_COLUMNS, "user", "host"], "the tracker has no such run")


def _emit(found: Found, output: Format, columns: Sequence[str], empty: str) -> None:
    if output is not Format.table:
        terminal.emit(found.runs, output, columns, empty=empty)
        return
    rows = [_Row(item, found.fields) for item in found.runs]
    terminal.emit(rows, output, [*columns, *(str(name) for name in found.fields)], empty=empty)


class _Row:
    """A run as a row of the table: the keys of conditions as columns, and on a terminal the start of its id."""

    def __init__(self, listing: RunListing, fields: Sequence[Field]) -> None:
        self._listing = listing
        self._fields = fields

    def to_dict(self) -> dict[str, Any]:
        """Return what the columns show."""
        data = {**self._listing.to_dict(), **{str(name): self._listing.value(name) for name in self._fields}}
        if terminal.is_terminal(sys.stdout):
            data["id"] = data["id"][:SHORT]
        return data
