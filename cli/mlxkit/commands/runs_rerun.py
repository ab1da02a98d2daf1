"""`mlx runs rerun`: a run done again as it was."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ExitCode
from . import terminal
from .options import Output
from .terminal import Format

if TYPE_CHECKING:
    from ..runs.rerun_result import RerunResult


def add_rerun(app: typer.Typer) -> None:
    """Add the command to the group of runs."""

    @app.command("rerun")
    def rerun(
        run: Annotated[
            str,
            typer.Argument(metavar="RUN", help="A run's id (or its start), name, MLflow run id, or latest."),
        ],
        stack: Annotated[
            str | None,
            typer.Option("--stack", "-s", metavar="NAME", help="Use this stack instead of the recorded one."),
        ] = None,
        no_cache: Annotated[
            bool, typer.Option("--no-cache", help="Compute every step again, and compare the outputs.")
        ] = False,
        same_env: Annotated[
            bool, typer.Option("--same-env", help="Refuse when the environment is not as it was.")
        ] = False,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
        ] = False,
        output: Output = Format.table,
    ) -> None:
        """Do a run again as it was, with the code of then.

        The recorded commit and diff (or the sources that were kept) are laid out in a private folder that is removed
        afterwards; the checkout is not touched. It is a new run in the same history, on the recorded stack. Steps with
        the same cache key are served from the cache, which proves that they are the same. What the code writes beside
        itself goes away with the folder; data that git does not have is read from where it is now. Environment variables
        are not recorded.

        Exit status 0 says that the steps had the same cache keys and outputs, 1 that they had not.

        Examples:

          mlx runs rerun latest --dry-run

          mlx runs rerun 3f2a --no-cache

          mlx runs rerun 3f2a --same-env -o json
        """
        from ..client import Client
        from ..runs.rerun import Rerun, said
        from .live import reporting
        from .streams import kept_for_data

        client = Client()
        again = Rerun.of(client.project, client.runs, run)
        if dry_run:
            terminal.emit_one(again.plan(stack), output)
            return
        if same_env:
            again.check_environment()
        for change in again.changed:
            terminal.warn(f"the environment is another: {said(change)}")
        for note in again.code.notes:
            terminal.warn(note)
        terminal.let_person_unlock()
        notes: list[str] = []
        is_data = output is not Format.table  # then stdout carries nothing else
        try:
            with reporting(is_dry=is_data) as reporter, kept_for_data() if is_data else nullcontext():
                result, failure = again.execute(
                    stack=stack, use_cache=not no_cache, reporter=reporter, say=notes.append
                )
        finally:
            for note in notes:  # not in between: what is shown of a run may be a live view
                terminal.warn(note)
        _show(result, output)
        if failure is not None:
            raise failure
        if not result.is_same:
            raise typer.Exit(int(ExitCode.failed))


def _show(result: RerunResult, output: Format) -> None:
    if output is not Format.table:
        terminal.emit_one(result, output)
        return
    for name in result.parameters:
        terminal.say(f"parameter {name} is not what it was")
    if result.same_keys and all(step.same_end for step in result.steps):
        count = len(result.steps)
        terminal.say(f"same cache keys as run {result.rerun_of}: {count} of {count} steps")
    different = result.different()
    if different:
        terminal.emit(different, output, ["name", "status", "same_key", "same_outputs", "why"])
