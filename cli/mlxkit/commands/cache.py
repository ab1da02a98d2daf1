"""`mlx cache`: what steps gave, kept for whoever would run the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from . import terminal
from .app import new_app
from .options import DryRun, Output, StackOption, Yes
from .terminal import Format

if TYPE_CHECKING:
    from ..artifacts.store import ArtifactStore
    from ..client import Client
    from ..pipelines.cache_checks import CacheProblem
    from ..pipelines.cache_entries import Slot

app = new_app("Look after what steps gave, kept for whoever would run the same.")

_LIST = ["name", "key", "size", "by", "created", "problem"]
_PROBLEMS = ["name", "key", "output", "what", "is_removed"]
Step = Annotated[
    str | None,
    typer.Option("--step", metavar="STEP", help="Only entries of this step, or of pipeline::step."),
]


@app.command("list")
def list_(
    step: Step = None,
    limit: Annotated[int, typer.Option("--limit", "-l", min=1, help="How many at most.")] = 50,
    stack: StackOption = None,
    output: Output = Format.table,
) -> None:
    """List what the cache can give, the newest first.

    With a store that others share these are its entries, whoever wrote them; else the steps of this project's history.

    Examples:

      mlx cache list --step train

      mlx cache list --stack team -o json
    """
    from ..pipelines.cache_entries import chosen, listed

    _, store, found = _look(stack)
    rows = [listed(slot) for slot in chosen(found, step)]
    terminal.emit(
        rows[:limit], output, _LIST, empty="nothing is in the cache" if not found else "no entry fits"
    )
    if len(rows) > limit:
        terminal.say(f"{len(rows) - limit} more (--limit)")
    _tell_of(store)


@app.command("verify")
def verify(
    step: Step = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Remove what is damaged: the steps run again and heal it.")
    ] = False,
    stack: StackOption = None,
    output: Output = Format.table,
) -> None:
    """Check every entry, and every byte that it speaks of.

    Exit status 1 says that something is damaged or gone, also when it was removed.

    Examples:

      mlx cache verify

      mlx cache verify --stack team --repair
    """
    from ..errors import MlxError
    from ..pipelines.cache_checks import verify as check
    from ..pipelines.cache_entries import chosen

    _, store, found = _look(stack)
    looked_at = chosen(found, step)
    problems: list[CacheProblem] = []
    try:
        for problem in check(looked_at, store, repair=repair):
            problems.append(problem)
    except MlxError:  # of the store: what was removed by then is told all the same
        if problems:
            terminal.emit(problems, output, _PROBLEMS, empty="")
        raise
    terminal.emit(problems, output, _PROBLEMS, empty=f"{_entries(len(looked_at))}, each as it was written")
    if problems:
        damaged = len({item.key for item in problems})
        terminal.warn(
            f"{damaged} of {_entries(len(looked_at))} cannot be served{' (--repair removes them)' * (not repair)}"
        )
        raise typer.Exit(1)


@app.command("clear")
def clear(
    older_than: Annotated[
        str | None,
        typer.Option("--older-than", metavar="AGE", help="Only entries written longer ago: 30d, 12w, 1y."),
    ] = None,
    step: Step = None,
    shared_store: Annotated[
        bool,
        typer.Option("--shared-store", help="Free their content, too: no other checkout may refer to it."),
    ] = False,
    stack: StackOption = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    output: Output = Format.table,
) -> None:
    """Remove entries from the cache that others share; their steps run again.

    Content stays, since the histories of other checkouts may refer to it. With --shared-store, content that no entry
    that is left and no run of this project refers to is freed. Where nobody shares the store the cache is this
    project's history, and `mlx runs prune` is what clears it.

    Examples:

      mlx cache clear --older-than 30d --dry-run

      mlx cache clear --step train --yes
    """
    import time

    from ..errors import UsageError
    from ..pipelines.cache_clearing import clear as remove
    from ..pipelines.cache_entries import chosen, entry_store, listed, slots
    from ..runs.moments import parse_age

    before = time.time() - parse_age(older_than) if older_than else None
    client, store, found = _look(stack)
    shared = entry_store(store)
    if shared is None:
        raise UsageError(
            f"nobody shares {store.location}: what is served from there are the steps of this project's runs",
            hint=f"mlx runs prune --older-than {older_than or '30d'} --dry-run",
        )
    doomed = chosen(found, step, before)
    rows = [listed(slot) for slot in doomed]
    if dry_run or not doomed:
        terminal.emit(
            rows, output, _LIST, empty="no entry would be removed" if dry_run else "no entry to remove"
        )
        return
    terminal.confirm(f"remove {_entries(len(doomed))} from {store.location}, for everybody?", yes=yes)
    remove(shared, doomed)
    if output is not Format.table:
        terminal.emit(rows, output, _LIST)
    terminal.say(f"removed {_entries(len(doomed))}")
    if shared_store:
        # As things are now: others may have published while the question waited.
        _free(client, store, doomed, slots(store, client.history, client.project))
    else:
        terminal.say(
            "their content stays: other checkouts may refer to it (only a clear with --shared-store takes it along)"
        )


@app.command("stats")
def stats(stack: StackOption = None, output: Output = Format.table) -> None:
    """Say what the cache holds, and how often it served this project.

    Examples:

      mlx cache stats

      mlx cache stats -o json
    """
    from ..pipelines.cache_stats import stats as count

    client, store, found = _look(stack)
    terminal.emit_one(count(found, store, client.history), output)
    _tell_of(store)


def _look(stack: str | None) -> tuple[Client, ArtifactStore, list[Slot]]:
    """Return the client, the stack's artifact store, and all that its cache holds."""
    from ..client import Client
    from ..pipelines.cache_entries import slots
    from ..pipelines.stores import store_of_stack

    client = Client()
    store = store_of_stack(client.project, stack)
    return client, store, slots(store, client.history, client.project)


def _free(client: Client, store: ArtifactStore, doomed: list[Slot], left: list[Slot]) -> None:
    from ..deployments.sizes import size_text
    from ..pipelines.cache_clearing import free
    from ..pipelines.cache_entries import entry_store

    shared = entry_store(store)
    if shared is None:
        return
    freed = free(shared, doomed, left, client.history)
    if freed.is_postponed:
        terminal.say("a run goes on: content stays until it is cleared again")
    else:
        terminal.say(f"freed {size_text(freed.size)} in {store.location}")
    for failure in freed.failed:
        terminal.warn(f"kept {failure}")


def _tell_of(store: ArtifactStore) -> None:
    from ..pipelines.cache_entries import entry_store

    if entry_store(store) is None:
        terminal.detail(f"nobody shares {store.location}: this is the cache of this project's own history")


def _entries(count: int) -> str:
    return "1 entry" if count == 1 else f"{count} entries"
