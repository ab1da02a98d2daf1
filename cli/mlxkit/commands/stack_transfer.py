"""`mlx stack export` and `import`: a stack as a file."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ..config.files import write_atomic
from ..config.yamltext import MAX_BYTES
from ..errors import AlreadyExistsError, MlxError, UsageError
from ..stacks.service import StackService
from . import terminal
from .stack_options import AnyName, Set


class Source(str, Enum):
    """Who wrote an exported stack."""

    mlx = "mlx"
    zenml = "zenml"


def add_transfer(app: typer.Typer) -> None:
    """Add the commands to the group of stacks."""
    app.command("export")(export)
    app.command("import")(import_)


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
