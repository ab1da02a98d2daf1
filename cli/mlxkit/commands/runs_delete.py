"""`mlx runs delete` and `mlx runs prune`: what was run and is not needed any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UsageError
from . import terminal
from .options import DryRun, Force, Output, Yes
from .runs_list import Pipeline, Status
from .terminal import Format

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..client import Client
    from ..runs.deletion import Freed
    from ..runs.records import RunRecord

_COLUMNS = ["id", "name", "status", "started", "duration"]
SharedStore = Annotated[
    bool,
    typer.Option(
        "--shared-store",
        help="Free content in an artifact store outside of this project, too: no other project may use it.",
    ),
]


def add_deletion(app: typer.Typer) -> None:
    """Add the commands to the group of runs."""

    @app.command("delete")
    def delete(
        runs: Annotated[
            list[str], typer.Argument(metavar="RUN...", help="Ids (or starts of them), names, or latest.")
        ],
        shared_store: SharedStore = False,
        force: Force = False,
        dry_run: DryRun = False,
        yes: Yes = False,
        output: Output = Format.table,
    ) -> None:
        """Delete runs with their logs, and the content that no other run refers to.

        What the tracker has of them stays, and so do model versions that were made from them. Steps of other runs that
        came from the cache keep what they were served. A run that goes on is refused, and so is one that a deployment
        of this project was made from.

        Examples:

          mlx runs delete 1m7zff60bt --dry-run

          mlx runs delete train-2026 latest --yes
        """
        from ..client import Client

        client = Client()
        chosen = list({run.id: run for run in (client.runs.get(name) for name in runs)}.values())
        _delete(client, chosen, {} if force else _deployed(client), shared_store, dry_run, yes, output)

    @app.command("prune")
    def prune(
        keep: Annotated[
            int | None,
            typer.Option("--keep", min=0, metavar="N", help="Leave the newest N runs of each pipeline."),
        ] = None,
        older_than: Annotated[
            str | None,
            typer.Option(
                "--older-than", metavar="AGE", help="Only runs that began longer ago: 90d, 12w, 1y."
            ),
        ] = None,
        pipeline: Pipeline = None,
        status: Status = None,
        shared_store: SharedStore = False,
        dry_run: DryRun = False,
        yes: Yes = False,
        output: Output = Format.table,
    ) -> None:
        """Delete old runs, and free what crashes and deleted runs have left.

        With both --keep and --older-than a run goes when it is beyond the newest N of its pipeline and also older than
        the age; --pipeline and --status say which runs are counted. Runs that go on, that have the tag `keep`, or that
        a deployment of this project was made from stay, and so does what `save_artifact` kept outside of a run, unless
        `--pipeline save_artifact` names it. Content that no run refers to is freed when it is a day old.

        Examples:

          mlx runs prune --keep 50 --older-than 90d --dry-run

          mlx runs prune --status failed --older-than 7d --yes
        """
        from ..client import Client
        from ..runs.moments import parse_age
        from ..runs.pruning import Pruning, candidates

        if keep is None and older_than is None:
            raise UsageError(
                "which runs are old?", hint="mlx runs prune --keep 50 --older-than 90d --dry-run"
            )
        wanted = Pruning(keep, parse_age(older_than) if older_than else None, pipeline, status)
        client = Client()
        chosen = candidates(client.history, wanted, spared=_deployed(client))
        _delete(client, chosen, {}, shared_store, dry_run, yes, output)
        if not dry_run:
            _sweep(client, shared_store)


def _delete(
    client: Client,
    chosen: Sequence[RunRecord],
    in_use: dict[str, str],
    shared_store: bool,
    dry_run: bool,
    yes: bool,
    output: Format,
) -> None:
    from ..deployments.sizes import size_text
    from ..pipelines.stores import stores_of
    from ..runs.deletion import delete_runs, free_released, loss_of, refuse_needed, untold_trackers

    refuse_needed(chosen, in_use)
    loss = loss_of(client.history, [run.id for run in chosen])
    what = f"{_runs(loss.runs)} with {size_text(loss.size)} of logs and artifacts"
    if dry_run:
        terminal.emit(chosen, output, _COLUMNS, empty="no run would be deleted")
        if chosen:
            terminal.say(f"would delete {what}")
        return
    if chosen:
        untold = untold_trackers(client.history, [run.id for run in chosen])
        if untold:
            terminal.warn(
                f"{', '.join(untold)} could not be told yet how some of them ended, and will not be"
            )
        terminal.confirm(f"delete {what}?", yes=yes)
        delete_runs(client.history, chosen)
    freed = free_released(client.history, stores_of(client.project, with_shared=shared_store))
    if output is not Format.table:
        terminal.emit(chosen, output, _COLUMNS)
    terminal.say(f"deleted {_runs(len(chosen))}" if chosen else "no run to delete")
    _tell(freed)


def _sweep(client: Client, shared_store: bool) -> None:
    """Free what nobody refers to, in the stores of all stacks."""
    from ..deployments.sizes import size_text
    from ..pipelines.stores import stores_of
    from ..runs.pruning import sweep_logs, sweep_records, sweep_store
    from ..runs.rerun_tree import sweep_reruns

    history = client.history
    if count := sweep_reruns(client.project.state_dir):
        terminal.say(f"removed what {'a killed rerun' if count == 1 else f'{count} killed reruns'} left")
    size = sweep_logs(history) + sweep_records(history)
    store_of = stores_of(client.project, with_shared=shared_store)
    stacks = ["default", *(stack.name for stack in client.stacks.list())]
    stores = {store.location: store for name in stacks if (store := store_of(name)) is not None}
    swept = [sweep_store(history, store) for store in stores.values()]
    size += sum(freed.size for freed in swept)
    if size:
        terminal.say(f"freed {size_text(size)} that no run referred to")
    for failure in (failure for freed in swept for failure in freed.failed):
        terminal.warn(f"kept {failure}")


def _tell(freed: Freed) -> None:
    from ..deployments.sizes import size_text

    if freed.artifacts:
        terminal.say(f"freed {size_text(freed.size)} in the artifact store")
    for failure in freed.failed:
        terminal.warn(f"kept {failure}")
    if count := freed.kept - len(freed.failed):
        terminal.say(
            f"kept {count} artifacts: their store is outside of this project, or its stack is gone (--shared-store)"
        )
    if freed.is_postponed:
        terminal.say("a run goes on: artifacts that it might need are freed by the next prune")


def _deployed(client: Client) -> dict[str, str]:
    """Return which runs deployments of this project were made from, and what to say of them."""
    from ..deployments.store import DeploymentStore

    entries = DeploymentStore(client.project.state_dir).list()
    return {entry.run: f"deployment {entry.name!r} was made from it" for entry in entries if entry.run}


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"
