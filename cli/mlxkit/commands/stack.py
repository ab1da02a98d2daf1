"""`mlx stack`."""

from __future__ import annotations

from typing import Annotated

import typer

from ..config.active import chosen_by
from ..stacks.kinds import get_kind
from ..stacks.service import StackService
from . import terminal
from .app import new_app
from .attributes import PastedCommand
from .options import DryRun, Force, Output, Yes
from .stack_options import AnyName, Set, with_components
from .stack_transfer import add_transfer
from .terminal import Format
from .zenml_words import STACKS, add_word

app = new_app("Choose which components work together.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the stack.")]
New = Annotated[str, typer.Argument(metavar="NEW", help="The other name.")]


@app.command("register", cls=PastedCommand)
@with_components
def register(name: Name, components: dict[str, str], set_: Set = False) -> None:
    """Register a stack.

    A stack that names no artifact store or orchestrator has the local ones.

    Example: mlx stack register team -e team --set
    """
    service = StackService()
    service.register(name, components)
    if set_:
        service.set_active(name)
    _say_done(service, "registered", name)


@app.command("list")
def list_(output: Output = Format.table) -> None:
    """List the stacks.

    Examples:

      mlx stack list

      mlx stack list -o json
    """
    service = StackService()
    terminal.emit(service.list(), output, ("name", "is_active", "components"))
    problem = service.active_problem()
    if problem:
        terminal.warn(problem)


@app.command("describe")
def describe(name: AnyName = None, output: Output = Format.table) -> None:
    """Show a stack and its components.

    Examples:

      mlx stack describe

      mlx stack describe team
    """
    detail = StackService().describe(name)
    if output is not Format.table:
        terminal.emit_one(detail, output)
        return
    roles = [
        role for role, holds in (("active", detail.is_active), ("default_stack", detail.is_default)) if holds
    ]
    terminal.say(f"stack {detail.name}" + (f" ({', '.join(roles)})" if roles else ""))
    terminal.emit(list(detail.components.values()), output, ("kind", "name", "flavor", "attributes"))


@app.command("set")
def set_(
    name: Name,
    default: Annotated[
        bool, typer.Option("--default", help="Write it to mlx.yaml, for all who share that file.")
    ] = False,
) -> None:
    """Make a stack the active one.

    Examples:

      mlx stack set team

      mlx stack set team --default
    """
    service = StackService()
    if default:
        service.set_default(name)
        terminal.say(f"stack {name!r} is now the default_stack of {service.project.shown}")
    else:
        service.set_active(name)
    _say_active(service)


@app.command("get")
def get(output: Output = Format.table) -> None:
    """Print the name of the active stack.

    Examples:

      mlx stack get
    """
    service = StackService()
    choice = service.choice()
    if output is Format.table:
        terminal.out(choice.name)
        terminal.say(f"chosen by {chosen_by(choice.source, service.project.shown)}")
    else:
        terminal.emit_one(choice, output)


@app.command("update", cls=PastedCommand)
@with_components
def update(
    name: Name,
    components: dict[str, str],
    remove: Annotated[
        list[str] | None, typer.Option("--remove", metavar="KIND", help="Take this kind out; repeatable.")
    ] = None,
) -> None:
    """Put other components into a stack.

    Examples:

      mlx stack update team -a lake

      mlx stack update team --remove model_registry
    """
    kinds = [get_kind(kind).name for kind in remove or ()]
    service = StackService()
    service.update(name, components, remove=kinds)
    _say_done(service, "updated", name)


@app.command("rename")
def rename(name: Name, new: New) -> None:
    """Rename a stack.

    Examples:

      mlx stack rename team production
    """
    StackService().rename(name, new)
    terminal.say(f"renamed stack {name!r} to {new!r}")


@app.command("copy")
def copy(name: Name, new: New) -> None:
    """Register a stack like another one.

    Examples:

      mlx stack copy team team-gpu
    """
    StackService().copy(name, new)
    terminal.say(f"copied stack {name!r} to {new!r}")


@app.command("delete")
def delete(name: Name, yes: Yes = False, force: Force = False, dry_run: DryRun = False) -> None:
    """Delete a stack; its components stay.

    Examples:

      mlx stack delete team --dry-run

      mlx stack delete team --yes
    """
    service = StackService()
    service.check_deletable(name, force=force)
    if dry_run:
        terminal.say(f"would delete stack {name!r}")
        return
    terminal.confirm(f"delete stack {name!r}?", yes=yes)
    service.delete(name, force=force)
    terminal.say(f"deleted stack {name!r}")


add_transfer(app)


@app.command("validate")
def validate(name: AnyName = None, output: Output = Format.table) -> None:
    """Say everything that is wrong with a stack.

    Examples:

      mlx stack validate team
    """
    found = StackService().validate(name)
    for warning in found.warnings:
        terminal.warn(warning)
    if output is not Format.table:
        terminal.emit_one(found, output)
    found.check()
    terminal.say(f"stack {found.name!r} is valid")


def _say_done(service: StackService, verb: str, name: str) -> None:
    terminal.say(f"{verb} stack {name!r}")
    _say_active(service)


def _say_active(service: StackService) -> None:
    """Name the active stack, since a change may have made it another one."""
    problem = service.active_problem()
    if problem:
        terminal.warn(problem)
        return
    choice = service.choice()
    terminal.say(
        f"the active stack is {choice.name!r} (chosen by {chosen_by(choice.source, service.project.shown)})"
    )


for _name, _word in STACKS.items():
    add_word(app, _name, _word, f"stack {_name}")
