"""`mlx secret import` and `export`: secrets as a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import AlreadyExistsError, UsageError
from . import terminal

if TYPE_CHECKING:
    from ..secrets.records import SecretListing
    from ..secrets.service import SecretService

Secrets = Mapping[str, Mapping[str, str]]
Replace = Annotated[bool, typer.Option("--force", help="Replace what is there.")]


def add_files(
    app: typer.Typer,
    opened: Callable[[], SecretService],
    said: Callable[[str, SecretListing, SecretService], None],
) -> None:
    """Add the commands to the group of secrets."""

    @app.command("import")
    def import_(
        file: Annotated[
            str, typer.Argument(metavar="FILE", help="JSON or YAML: name -> key -> value; - for stdin.")
        ],
        force: Replace = False,
    ) -> None:
        """Store the secrets of a file, such as one that export wrote.

        Examples:

          mlx secret import secrets.yaml

          sops --decrypt secrets.enc.yaml | mlx secret import -
        """
        from ..secrets.document import secrets_from_text
        from .secret_input import read_text

        found = secrets_from_text(read_text(file, what="import"), what=file)
        if not found:
            terminal.say(f"note: there are no secrets in {file}")
            return
        secrets = opened()
        for listing in secrets.import_(found, replace=force):
            said("stored", listing, secrets)
        if file != "-":
            terminal.say(f"note: {file} still has the values in plain text; delete it when it is not needed")

    @app.command("export")
    def export(
        names: Annotated[
            list[str] | None, typer.Argument(metavar="[NAME]...", help="These; all without.")
        ] = None,
        file: Annotated[
            str | None,
            typer.Option("--output-file", "-f", metavar="FILE", help="Write to this file (.json or YAML)."),
        ] = None,
        reveal: Annotated[bool, typer.Option("--reveal", help="Without a file: print the values.")] = False,
        force: Replace = False,
    ) -> None:
        """Write secrets with their values to a file that only you can read.

        Examples:

          mlx secret export --output-file secrets.yaml

          mlx secret export mlflow_secret --reveal
        """
        if file is None and not reveal:
            raise UsageError("where to?", hint="--output-file FILE, or --reveal to print the values")
        secrets = opened().export(names or ())
        if file is None:
            _to_stdout(secrets)
        else:
            _to_file(secrets, file, force=force)


def _to_stdout(secrets: Secrets) -> None:
    """Print the values, which --reveal asked for."""
    from ..secrets.document import to_text

    terminal.out(to_text(secrets, as_json=False).removesuffix("\n"))


def _to_file(secrets: Secrets, name: str, *, force: bool) -> None:
    """Write a private file; one that is there stays unless it is forced."""
    from ..config.files import write_atomic
    from ..secrets.document import to_text

    path = Path(name).expanduser()
    if os.path.lexists(path) and not force:
        raise AlreadyExistsError(f"{name} exists", hint="--force replaces it")
    write_atomic(path, to_text(secrets, as_json=path.suffix == ".json").encode(), mode=0o600)
    terminal.warn(f"{name} has {len(secrets)} secrets in plain text; delete it as soon as it has served")
