"""`mlx flavor`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ..dataclass import dataclass
from ..errors import NotFoundError, did_you_mean
from ..records import Record
from ..stacks.flavors import Attribute, Flavor, built_in, flavors
from ..stacks.kinds import KINDS, get_kind
from . import terminal
from .app import new_app
from .options import Output
from .terminal import Format

app = new_app("Flavors: the implementations to choose from, and their attributes.")

KindName = Annotated[str | None, typer.Argument(metavar="[KIND]", help="Only this kind, such as tracker.")]


@dataclass(frozen=True)
class AttributeRecord(Record):
    """One attribute of a flavor, for people and programs."""

    name: str
    kind: str
    type: str
    is_required: bool
    is_secret: bool
    default: object
    help: str


@dataclass(frozen=True)
class FlavorRecord(Record):
    """One flavor, for people and programs."""

    name: str
    kind: str
    summary: str
    extra: str | None
    attributes: tuple[AttributeRecord, ...]


@app.command("list")
def list_(kind: KindName = None, output: Output = Format.table) -> None:
    """List the flavors.

    Examples:

      mlx flavor list tracker
    """
    found = [_record(flavor) for flavor in _flavors(get_kind(kind).name if kind else None)]
    terminal.emit(found, output, ("kind", "name", "summary"))


@app.command("describe")
def describe(
    name: Annotated[str, typer.Argument(metavar="FLAVOR", help="Name of the flavor, such as mlflow.")],
    kind: KindName = None,
    output: Output = Format.table,
) -> None:
    """Show every attribute of a flavor.

    Examples:

      mlx flavor describe mlflow
    """
    only = get_kind(kind).name if kind else None
    known = built_in(only)
    if all(flavor.name != name for flavor in known):
        known = _flavors(only)
    found = [_record(flavor) for flavor in known if flavor.name == name]
    if not found:
        close = did_you_mean(name, [flavor.name for flavor in known])
        raise NotFoundError(f"no flavor named {name!r}{close}", hint="mlx flavor list")
    if output is not Format.table:
        terminal.emit(found, output, ())
        return
    for flavor in found:
        terminal.say(_fitting(f"{KINDS[flavor.kind].title} {flavor.name}: {flavor.summary}"))
        columns = ("name", "type", "is_secret", "help")
        terminal.emit(flavor.attributes, output, columns, empty="  it has no attributes")


def _fitting(caption: str) -> str:
    """Fold a caption as the table below it is folded."""
    if not terminal.is_terminal(sys.stderr):
        return caption
    import shutil

    from .folding import fold

    return fold(caption, shutil.get_terminal_size().columns)


def _flavors(kind: str | None) -> list[Flavor]:
    problems: list[str] = []
    found = flavors(kind, problems=problems)
    for problem in problems:
        terminal.warn(problem)
    return found


def _record(flavor: Flavor) -> FlavorRecord:
    attributes = tuple(_attribute(flavor, attribute) for attribute in flavor.attributes)
    return FlavorRecord(flavor.name, flavor.kind, flavor.summary, flavor.extra, attributes)


def _attribute(flavor: Flavor, attribute: Attribute) -> AttributeRecord:
    return AttributeRecord(
        attribute.name,
        flavor.kind,
        attribute.type,
        attribute.required,
        attribute.secret,
        attribute.default,
        attribute.help,
    )
