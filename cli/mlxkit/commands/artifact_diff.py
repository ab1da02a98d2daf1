"""`mlx artifact diff`: what two artifacts differ in."""

from __future__ import annotations

import sys
from dataclasses import field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..dataclass import dataclass
from ..errors import ExitCode, UsageError
from ..records import Record
from . import terminal
from .cells import cell, harmless
from .options import Output
from .terminal import Format

if TYPE_CHECKING:
    from ..artifacts.difference import Comparison
    from ..runs.records import ArtifactListing

_WIDEST = 1000
_COLOURS = {"-": "31", "+": "32", "@": "36"}


@dataclass(frozen=True)
class ArtifactDifference(Record):
    """Two artifacts and what they differ in; `is_equal` is None where a pickle hides it."""

    before: ArtifactListing
    after: ArtifactListing
    difference: Comparison = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the sides, then the keys of the comparison itself."""
        data = super().to_dict()
        found = data.pop("difference")
        return {**data, **found}


def add_difference(app: typer.Typer) -> None:
    """Add the command to the group of artifacts."""

    @app.command("diff")
    def diff(
        before: Annotated[
            str,
            typer.Argument(metavar="A", help="An artifact, as for describe; RUN:step::output names the run."),
        ],
        after: Annotated[
            str | None, typer.Argument(metavar="[B]", help="The other one; without it, A in two runs.")
        ] = None,
        run: Annotated[
            list[str] | None,
            typer.Option("--run", metavar="RUN", help="With A alone, give it twice: A as each run had it."),
        ] = None,
        key: Annotated[
            str | None,
            typer.Option(
                "--key", metavar="COLUMN", help="Match the rows of tables by this column, not by place."
            ),
        ] = None,
        unpickle: Annotated[
            bool,
            typer.Option(
                "--unpickle", help="Open pickled values, too; that runs code that is stored with them."
            ),
        ] = False,
        output: Output = Format.table,
    ) -> None:
        """Show what two artifacts differ in; exit status 0 says that they are equal, 1 that they are not.

        Equal is what is the same value of the same type, though it may be written differently: the order of a
        dictionary's keys, the order of an array in memory, the pieces of a table. Not-a-number equals itself; 0.0
        and -0.0 are not equal. Where nothing is found that differs and that is not certain, they are not called equal.

        Examples:

          mlx artifact diff train::score --run latest --run 1m7zf

          mlx artifact diff 1m7zf:load::table latest:load::table --key id
        """
        from ..artifacts.difference import compare
        from ..client import Client
        from ..runs.artifact_uses import find_artifact
        from ..runs.records import artifact_of

        client = Client()
        (left, old), (right, new) = (
            find_artifact(client.runs, *side) for side in _sides(before, after, run or [])
        )
        one, other = artifact_of(old), artifact_of(new)
        found = compare(
            one,
            other,
            client.store_of(left.run, one),
            client.store_of(right.run, other),
            key=key,
            unpickle=unpickle,
        )
        if key is not None and found.kind not in ("table", "same"):
            raise UsageError(f"--key is for tables, and these are compared as {found.kind}")
        difference = ArtifactDifference(left, right, found)
        if output in (Format.json, Format.yaml):
            terminal.emit_one(difference, output)
        elif output is Format.name:
            terminal.lines(change.where for change in found.changes)
        else:
            _print(difference)
        if not found.is_equal:
            raise typer.Exit(int(ExitCode.failed))


def _sides(before: str, after: str | None, runs: list[str]) -> list[tuple[str, str | None]]:
    """Return name and run of both sides."""
    if after is None:
        if len(runs) != 2:
            raise UsageError(
                "one artifact alone needs two runs to compare",
                hint=f"mlx artifact diff {before} --run A --run B",
            )
        return [(before, runs[0]), (before, runs[1])]
    if len(runs) > 1:
        raise UsageError("two artifacts and two runs: write RUN:step::output for each instead")
    return [(before, runs[0] if runs else None), (after, runs[0] if runs else None)]


def _print(difference: ArtifactDifference) -> None:
    from ..artifacts.shortening import short

    found = difference.difference
    is_coloured = terminal.has_colour(sys.stdout)
    lines = [_side("---", difference.before), _side("+++", difference.after)]
    if found.kind == "same" or (found.is_equal and not found.changes):
        lines.append(found.note or "equal, though they are written differently")
    else:
        named = {"by_column", *(change.where for change in found.changes)}
        told = {name: value for name, value in found.facts.items() if name not in named}
        lines += [f"{name.replace('_', ' ')}: {_fact(value)}" for name, value in told.items()]
        lines += [
            f"column {name}: {told['differing']} differ; {cell(told['before'])} -> {cell(told['after'])}"
            for name, told in found.facts.get("by_column", {}).items()
        ]
        lines += [_change(change) for change in found.changes]
        lines += found.lines
        if found.note:
            lines.append(f"({found.note})")
    for line in (short(harmless(line), _WIDEST) for line in lines):
        code = _COLOURS.get(line[:1], "") if is_coloured else ""
        terminal.out(f"\x1b[{code}m{line}\x1b[0m" if code else line)


def _side(mark: str, listing: ArtifactListing) -> str:
    return f"{mark} {listing.name}  run {listing.run}  {listing.type}  {listing.size} bytes  {listing.digest[:12]}"


def _change(change: Any) -> str:
    if change.what == "added":
        return f"+ {change.where}: {_fact(change.after)}"
    if change.what == "removed":
        return f"- {change.where}: {_fact(change.before)}"
    before, after = _value(change.before), _value(change.after)
    if change.types:
        before, after = f"{before} ({change.types[0]})", f"{after} ({change.types[1]})"
    return f"  {change.where or 'value'}: {before} -> {after}"


def _value(value: Any) -> str:
    return f"({cell(value)})" if isinstance(value, list) else _fact(value)


def _fact(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, list):
        pair = [f"({cell(item)})" if isinstance(item, list) else cell(item) for item in value]
        if len(pair) != 2:
            return f"({cell(value)})"
        return pair[0] if pair[0] == pair[1] else " -> ".join(pair)
    return cell(value) or '""'
