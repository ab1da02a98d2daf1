"""`mlx secrets-manager secret register`: the old ZenML spelling of `mlx secret create`."""

from __future__ import annotations

from typing import Annotated

import typer

from . import terminal
from .app import new_app
from .words import WordsCommand

app = new_app("Write `mlx secret create`.")
_secret = new_app("Write `mlx secret create`.")
app.add_typer(_secret, name="secret")


@_secret.callback()
def group() -> None:
    """Write `mlx secret create`."""


@_secret.command(
    "register",
    cls=WordsCommand,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def register(
    ctx: typer.Context, name: Annotated[str, typer.Argument(metavar="NAME", help="The secret.")]
) -> None:
    """Create a secret; `mlx secret create` is the command's own name."""
    from .app import app as root

    terminal.say("secrets have no manager here: this is `mlx secret create`")
    root(args=["secret", "create", name, *ctx.args], prog_name="mlx", standalone_mode=False)
