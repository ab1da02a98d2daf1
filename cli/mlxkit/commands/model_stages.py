"""What `mlx model` does with stages and aliases: promote, rollback, unset, history."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ExitCode
from . import terminal
from .options import DryRun, Output, StackOption
from .terminal import Format

if TYPE_CHECKING:
    from ..models.evidence import EvidenceRow
    from ..models.moves import Move
    from ..models.promotion import Promotion
    from ..models.service import ModelService

_STAGES = "staging, production, archived, or an alias of your own"
ModelName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the model.")]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason, for the history.")]
Stage = Annotated[str, typer.Option("--stage", metavar="STAGE", help=f"Which one: {_STAGES}.")]


def add_stages(app: typer.Typer, service: Callable[[str | None], ModelService]) -> None:
    """Add the commands that move stages and aliases."""

    @app.command("promote")
    def promote(
        reference: Annotated[
            str,
            typer.Argument(metavar="NAME[:VERSION|@ALIAS]", help="The version; the newest of a bare NAME."),
        ],
        to: Annotated[str, typer.Option("--to", metavar="STAGE", help=f"Where to: {_STAGES}.")],
        conditions: Annotated[
            list[str] | None,
            typer.Option("--if", metavar="CONDITION", help="Only if this holds; repeatable."),
        ] = None,
        or_first: Annotated[
            bool,
            typer.Option(
                "--or-first", help="Leave out conditions on the holder of the stage while nobody has it."
            ),
        ] = False,
        why: Why = "",
        dry_run: DryRun = False,
        output: Output = Format.table,
        stack: StackOption = None,
    ) -> None:
        """Give a version a stage or an alias, on evidence.

        A condition compares metrics and numbers by < <= > >= == or !=; @ALIAS.METRIC is the metric of the version that
        holds the alias. Exit status 1 says that a condition does not hold; then nothing is changed.

        Example: mlx model promote iris:7 --to production --if "val_rmse < @production.val_rmse"
        """
        done = service(stack).promote(
            reference, to, why=why, conditions=conditions or (), or_first=or_first, dry_run=dry_run
        )
        if output is Format.name:
            terminal.out(done.reference)
        elif output is not Format.table:
            terminal.emit_one(done, output)
        elif done.rows:
            rows = [_Exact(row) for row in done.rows]
            terminal.emit(rows, output, ("expression", "left", "right", "holds"))
        _say(done)
        if not done.promoted:
            raise typer.Exit(int(ExitCode.failed))

    @app.command("rollback")
    def rollback(
        name: ModelName,
        stage: Stage,
        why: Why = "",
        dry_run: DryRun = False,
        output: Output = Format.table,
        stack: StackOption = None,
    ) -> None:
        """Give a stage back to the version that had it before.

        A second rollback walks further back: it never returns to a version that was rolled back from.

        Examples:

          mlx model rollback iris --stage production
        """
        done = service(stack).rollback(name, stage, why=why, dry_run=dry_run)
        if output is Format.name:
            terminal.out(done.reference)
        elif output is not Format.table:
            terminal.emit_one(done, output)
        _say(done)

    @app.command("unset")
    def unset(name: ModelName, stage: Stage, why: Why = "", stack: StackOption = None) -> None:
        """Take a stage or an alias away from its version.

        Examples:

          mlx model unset iris --stage staging

          mlx model unset iris --stage production --why "retired"
        """
        move = service(stack).unset(name, stage, why=why)
        terminal.say(f"{name}:{move.previous} is no longer {move.alias}")

    @app.command("history")
    def history(
        name: ModelName,
        stage: Annotated[
            str | None, typer.Option("--stage", metavar="STAGE", help="Only the moves of this one.")
        ] = None,
        output: Output = Format.table,
        stack: StackOption = None,
    ) -> None:
        """Show who moved which stage when, from what to what, and why.

        Examples:

          mlx model history iris
        """
        moves = service(stack).history(name, stage)
        columns = ("at", "kind", "alias", "from", "to", "by", "why", "evidence")
        if output is Format.name:
            for move in moves:
                if move.version is not None:
                    terminal.out(f"{name}:{move.version}")
            return
        told = [_Told(move) for move in moves] if output is Format.table else moves
        terminal.emit(told, output, columns, empty=f"nothing was moved in {name!r} yet")


class _Exact:
    """A compared row with every digit: 0.72 is not below 0.72, and 0.7199999 is."""

    def __init__(self, row: EvidenceRow) -> None:
        self._row = row

    def to_dict(self) -> dict[str, Any]:
        return {**self._row.to_dict(), "left": str(self._row.left), "right": str(self._row.right)}


class _Told:
    """A move as a table shows it: the evidence as conditions, each with the metrics that were compared."""

    def __init__(self, move: Move) -> None:
        self._move = move

    def to_dict(self) -> dict[str, Any]:
        kind = self._move.kind if self._move.is_recorded else ""
        evidence = "; ".join(
            f"{row.get('expression')} ({row.get('left')}, {row.get('right')})" for row in self._move.evidence
        )
        return {**self._move.to_dict(), "kind": kind, "evidence": evidence}


def _say(done: Promotion) -> None:
    if not done.promoted:
        failed = sum(not row.holds for row in done.rows)
        verb = "does" if failed == 1 else "do"
        is_there = done.previous == done.version
        state = f"is {done.alias} already, but" if is_there else f"is not promoted to {done.alias}:"
        terminal.say(f"{done.reference} {state} {failed} of {len(done.rows)} conditions {verb} not hold")
        return
    for number in done.skipped:
        terminal.say(f"{done.name}:{number} was {done.alias} before, and is deleted")
    if not done.is_changed and not done.is_dry_run:
        terminal.say(f"{done.reference} is {done.alias} already; nothing was changed")
        return
    had = f" ({done.name}:{done.previous} {'is' if done.is_dry_run else 'was'})" if done.previous else ""
    terminal.say(
        f"{done.reference} {'would be' if done.is_dry_run else 'is'} {done.alias}{' now' * (not done.is_dry_run)}{had}"
    )
    for stage in done.left:
        terminal.say(f"it {'would leave' if done.is_dry_run else 'left'} {stage}")
