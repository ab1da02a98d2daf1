"""`mlx stack`."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ..config.files import write_atomic
from ..config.yamltext import MAX_BYTES
from ..errors import AlreadyExistsError, MlxError, UsageError
from ..stacks.kinds import get_kind
from ..stacks.service import StackService
from . import terminal
from .app import new_app
from .attributes import PastedCommand
from .options import DryRun, Force, Output, Yes
from .stack_options import with_components
from .terminal import Format

app = new_app("Choose which components work together.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the stack.")]
AnyName = Annotated[
    str | None, typer.Argument(metavar="[NAME]", help="Name of the stack; the active one without it.")
]
New = Annotated[str, typer.Argument(metavar="NEW", help="The other name.")]


class Source(str, Enum):
    """Who wrote an exported stack."""

    mlx = "mlx"
    zenml = "zenml"


Set = Annotated[bool, typer.Option("--set", help="Make it the active stack of this checkout.")]


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
    """List the stacks."""
    service = StackService()
    terminal.emit(service.list(), output, ("name", "is_active", "components"))
    problem = service.active_problem()
    if problem:
        terminal.warn(problem)


@app.command("describe")
def describe(name: AnyName = None, output: Output = Format.table) -> None:
    """Show a stack and its components."""
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
    """Print the name of the active stack."""
    choice = StackService().choice()
    if output is Format.table:
        terminal.out(choice.name)
        terminal.say(f"chosen by {choice.source}")
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
    """Rename a stack."""
    StackService().rename(name, new)
    terminal.say(f"renamed stack {name!r} to {new!r}")


@app.command("copy")
def copy(name: Name, new: New) -> None:
    """Register a stack like another one."""
    StackService().copy(name, new)
    terminal.say(f"copied stack {name!r} to {new!r}")


@app.command("delete")
def delete(name: Name, yes: Yes = False, force: Force = False, dry_run: DryRun = False) -> None:
    """Delete a stack; its components stay."""
    service = StackService()
    service.check_deletable(name, force=force)
    if dry_run:
        terminal.say(f"would delete stack {name!r}")
        return
    terminal.confirm(f"delete stack {name!r}?", yes=yes)
    service.delete(name, force=force)
    terminal.say(f"deleted stack {name!r}")


@app.command("export")
def export(
    name: AnyName = None,
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE]", help="File to write; standard output without it.")
    ] = None,
) -> None:
    """Write a stack with its components, and no credentials.

    Examples:

      mlx stack export team stack.yaml
    """
    exported = StackService().export(name)
    if file in (None, "-"):
        terminal.out(exported.text.rstrip("\n"))
    else:
        _write_new(Path(str(file)), exported.text)
        terminal.say(f"exported stack {exported.name!r} to {file}")
    for warning in exported.warnings:
        terminal.warn(warning)


@app.command("import")
def import_(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="What `mlx stack export` wrote; - is standard input.")
    ],
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Give the stack this name.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there and differs.")] = False,
    set_: Set = False,
    source: Annotated[
        Source, typer.Option("--from", metavar="SDK", help="Who exported it: mlx, or zenml.")
    ] = Source.mlx,
    secrets_into: Annotated[
        str | None,
        typer.Option(
            "--secrets-into", metavar="SECRET", help="Put ZenML's plain credentials into this new secret."
        ),
    ] = None,
    skip_unsupported: Annotated[
        bool, typer.Option("--skip-unsupported", help="Leave out what ZenML has and mlx has not.")
    ] = False,
) -> None:
    """Add a stack that was exported.

    Examples:

      mlx stack import stack.yaml --set

      mlx stack import --from zenml stack.yaml --secrets-into mlflow_secret
    """
    service = StackService()
    if source is Source.zenml:
        imported = service.import_from_zenml(
            _read(file),
            file,
            name=name,
            force=force,
            secrets_into=secrets_into,
            skip_unsupported=skip_unsupported,
        )
    elif secrets_into is not None or skip_unsupported:
        raise UsageError("--secrets-into and --skip-unsupported are for --from zenml")
    else:
        imported = service.import_(_read(file), file, name=name, force=force)
    if set_:
        service.set_active(imported.stacks[0])
    for path in imported.added:
        terminal.say(f"added {path}")
    for path in imported.unchanged:
        terminal.say(f"{path} is already there")
    for warning in imported.warnings:
        terminal.warn(warning)


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


def _read(file: str) -> bytes:
    """Read what the user names, which may be a pipe; the parser refuses what is too large."""
    if file == "-":
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    try:
        with Path(file).open("rb") as source:
            return source.read(MAX_BYTES + 1)
    except OSError as error:
        raise MlxError(f"cannot read {file}: {error.strerror}") from error


def _write_new(path: Path, text: str) -> None:
    if path.exists():
        raise AlreadyExistsError(f"{path} already exists", hint="name another file, or remove that one")
    write_atomic(path, text.encode(), mode=0o644)


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
    terminal.say(f"the active stack is {choice.name!r} (chosen by {choice.source})")
