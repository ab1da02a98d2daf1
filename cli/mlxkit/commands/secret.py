"""`mlx secret`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from . import terminal
from .app import new_app
from .options import AllowEmpty, DryRun, Output, Yes
from .secret_files import add_files
from .secret_trust import add_trust
from .terminal import Format
from .words import WordsCommand

if TYPE_CHECKING:
    from ..deployments.store import DeploymentStore
    from ..secrets.records import SecretListing
    from ..secrets.service import SecretService

app = new_app("Keep credentials in the OS keyring, and use them by reference: <<name.key>>.")

_LIST = ("name", "keys", "store", "state")
_STORES = ("name", "is_usable", "is_default", "secrets", "location", "note")
_PLACES = ("name", "keys", "location")
_ANY_OPTION = {"ignore_unknown_options": True}

Name = Annotated[str, typer.Argument(metavar="NAME", help="The secret.")]
Words = Annotated[
    list[str], typer.Argument(metavar="NAME [--KEY=VALUE]...", help="The secret, and a value for each key.")
]
Values = Annotated[
    str | None,
    typer.Option(
        "--values", "-v", metavar="TEXT", help="Keys and values as JSON or YAML; @FILE, or - for stdin."
    ),
]
Interactive = Annotated[bool, typer.Option("--interactive", "-i", help="Ask for keys and values.")]
Reveal = Annotated[bool, typer.Option("--reveal", help="Show the values.")]


@app.command("create", cls=WordsCommand, context_settings=_ANY_OPTION)
def create(
    words: Words, values: Values = None, interactive: Interactive = False, allow_empty: AllowEmpty = False
) -> None:
    """Store a new secret.

    Examples:

      mlx secret create mlflow_secret --username=admin --password

    --KEY alone asks for the value and does not show it, --KEY=- takes it from stdin, --KEY=@FILE from a file;
    --KEY=@@... is a value that begins with an @. A key that is called like an option goes into --values.
    """
    from .secret_input import read

    given = read(words, values=values, interactive=interactive, allow_empty=allow_empty)
    secrets = _secrets()
    listing = secrets.create(given.name, given.values, allow_empty=allow_empty)
    _said("stored", listing, secrets)
    _noted(given.values, given.literals)


@app.command("list")
def list_(output: Output = Format.table) -> None:
    """List secrets, without their values.

    Examples:

      mlx secret list

      mlx secret list -o json
    """
    secrets = _secrets()
    listings = secrets.list()
    terminal.emit(listings, output, _LIST, empty="no secrets; mlx secret create NAME --KEY makes one")
    for listing in listings:
        if listing.state:
            terminal.say(f"note: a change of {listing.name} was cut off; mlx secret where settles it")
        if listing.also_in:
            others = ", ".join(listing.also_in)
            terminal.say(f"note: {listing.name} is in {others}, too; the one in {listing.store} counts")
    _unasked(secrets)


@app.command("get")
def get(
    name: Name,
    key: Annotated[str | None, typer.Argument(metavar="[KEY]", help="One key of it.")] = None,
    reveal: Reveal = False,
    output: Output = Format.table,
) -> None:
    """Show one secret: its keys, or with --reveal its values.

    Examples:

      mlx secret get mlflow_secret

      mlx secret get mlflow_secret password --reveal
    """
    secrets = _secrets()
    if key is None:
        terminal.emit_one(secrets.revealed(name) if reveal else secrets.get(name), output)
    elif reveal and output in (Format.json, Format.yaml):
        terminal.emit_one(secrets.revealed_key(name, key), output)
    elif reveal:
        terminal.out(secrets.value(name, key))
    else:
        terminal.emit_one(secrets.get_key(name, key), output)
    _unasked(secrets)


@app.command("update", cls=WordsCommand, context_settings=_ANY_OPTION)
def update(
    words: Words,
    remove: Annotated[
        list[str] | None, typer.Option("--remove", metavar="KEY", help="Remove this key.")
    ] = None,
    values: Values = None,
    interactive: Interactive = False,
    allow_empty: AllowEmpty = False,
) -> None:
    """Set or remove keys of a secret; the others stay.

    Examples:

      mlx secret update mlflow_secret --password
    """
    from .secret_input import read

    given = read(words, values=values, interactive=interactive, allow_empty=allow_empty)
    secrets = _secrets()
    listing = secrets.update(given.name, given.values, remove=remove or (), allow_empty=allow_empty)
    _said("updated", listing, secrets)
    _noted(given.values, given.literals)


@app.command("rename")
def rename(
    name: Name, new_name: Annotated[str, typer.Argument(help="The new name.")], yes: Yes = False
) -> None:
    """Rename a secret and the references to it.

    Examples:

      mlx secret rename mlflow_secret team_secret
    """
    secrets = _secrets()
    secrets.check_ours(name)
    users, deployed = secrets.used_by(name), _deployed(name)
    if users or deployed:
        terminal.confirm(
            f"rename {name} to {new_name}, and with it the references in{_bullets([*users, *deployed])}\n?",
            yes=yes,
        )
    secrets.rename(name, new_name, with_references=bool(users))
    terminal.say(f"renamed {name} to {new_name}")
    if deployed:
        from ..deployments.token import rename_in

        rename_in(_deployments(), name, new_name)
    if users or deployed:
        terminal.say(f"changed the references in{_bullets([*users, *deployed])}")


@app.command("delete")
def delete(
    name: Name,
    yes: Yes = False,
    force: Annotated[
        bool, typer.Option("--force", help="Forget it even when its store cannot be asked.")
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Delete a secret.

    Examples:

      mlx secret delete mlflow_secret --dry-run

      mlx secret delete mlflow_secret --yes
    """
    secrets = _secrets()
    secrets.check_ours(name)
    users = [*secrets.used_by(name), *_deployed(name)]
    if dry_run:
        terminal.say(
            f"would delete secret {name!r}" + (f", which is used by{_bullets(users)}" if users else "")
        )
        return
    used = f"; it is used by{_bullets(users)}\ndelete it" if users else ""
    terminal.confirm(f"delete secret {name!r}{used}?", yes=yes)
    secrets.delete(name, force=force)
    terminal.say(f"deleted {name}")


@app.command("where")
def where(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Only this secret.")] = None,
    output: Output = Format.table,
) -> None:
    """Show the stores: which can be used, why not, and what is in each.

    Examples:

      mlx secret where

      mlx secret where mlflow_secret
    """
    if name is None:
        terminal.emit(_secrets().stores(), output, _STORES)
    else:
        secrets = _secrets()
        places = secrets.where(name)
        terminal.emit(places, output, _PLACES)
        for place in places:
            if place.note:
                terminal.say(f"note: the one in {place.name} is {place.note}")
        _unasked(secrets)


def _secrets() -> SecretService:
    from ..client import Client

    terminal.let_person_unlock()
    secrets: SecretService = Client().secrets
    return secrets


def _deployments() -> DeploymentStore:
    from ..config.paths import find_project
    from ..deployments.store import DeploymentStore

    return DeploymentStore(find_project().state_dir)


def _deployed(name: str) -> list[str]:
    """Return this project's deployments whose token refers to a secret, as they are shown."""
    from ..deployments.token import users_of

    return [f"deployment {entry.name}: token" for entry in users_of(_deployments(), name)]


def _said(verb: str, listing: SecretListing, secrets: SecretService) -> None:
    terminal.say(f"{verb} {listing.name} in the {listing.store}: {', '.join(listing.keys)}")
    _passed_over(secrets)
    if listing.from_environment:
        keys = ", ".join(listing.from_environment)
        terminal.warn(f"the environment has its own value of {keys}, which counts before the stored one")


def _unasked(secrets: SecretService) -> None:
    """Say which providers could not be asked, what would change that, and what others left out."""
    for problem in secrets.team.problems:
        terminal.say(f"note: {problem.message}" + (f"; {problem.hint}" if problem.hint else ""))
    for note in secrets.team.notes:
        terminal.say(f"note: {note}")


def _passed_over(secrets: SecretService) -> None:
    for problem in secrets.passed_over:
        terminal.say(f"note: not in the {problem.message}")


def _noted(values: dict[str, str], literals: list[str]) -> None:
    if literals:
        terminal.say(
            f"hint: the shell's history now has the value of {', '.join(literals)}; "
            f"--{literals[0]} alone asks for it, --{literals[0]}=- reads it from a pipe"
        )
    short = [key for key, value in values.items() if 0 < len(value) < 4]
    if short:
        terminal.say(f"note: {', '.join(short)} is too short to be masked in what a run prints")


def _bullets(lines: list[str]) -> str:
    return "".join(f"\n  {line}" for line in lines)


add_files(app, _secrets, _said)
add_trust(app, _secrets)
