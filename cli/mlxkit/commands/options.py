"""Options and arguments that appear on more than one command, with one wording."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Annotated

import typer

from . import terminal
from .global_options import FLAGS
from .terminal import Format


def remember(fmt: Format | None) -> Format | None:
    """Remember that errors are wanted as JSON, too, when the output was asked for so."""
    terminal.settings.errors_as_json = fmt is Format.json
    return fmt


def wants_json(argv: Sequence[str]) -> bool:
    """Say whether a command line asks for JSON: known before it is parsed, so that what is wrong with it is JSON, too."""
    own = _own_words(argv)
    asked = os.environ.get("MLX_OUTPUT", "")
    for word, following in zip(own, [*own, ""][1:], strict=True):
        if word in ("-o", "--output"):
            asked = following
        elif word.startswith(("--output=", "-o=")):
            asked = word.partition("=")[2]
    return asked.lower() == "json"


def _own_words(argv: Sequence[str]) -> Sequence[str]:
    """Return the words of a command line that are meant for mlx: none after `--`, nor from the program of `exec` on."""
    own = argv[: argv.index("--")] if "--" in argv else argv
    if next((word for word in own if not word.startswith("-")), "") != "exec":
        return own
    takes_next = False
    for number in range(own.index("exec") + 1, len(own)):
        word = own[number]
        if takes_next:
            takes_next = False
        elif not word.startswith("-"):
            return own[:number]
        else:  # of its options, all but those of mlx itself take a value
            takes_next = word not in FLAGS and "=" not in word and (word.startswith("--") or len(word) == 2)
    return own


Output = Annotated[
    Format,
    typer.Option(
        "--output",
        "-o",
        envvar="MLX_OUTPUT",
        callback=remember,
        help="Print as table, json, yaml or name.",
        case_sensitive=False,
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Force = Annotated[bool, typer.Option("--force", help="Do it although something still refers to it.")]
AllowEmpty = Annotated[bool, typer.Option("--allow-empty", help="Take an empty value for what was meant.")]
StackOption = Annotated[
    str | None,
    typer.Option("--stack", "-s", metavar="NAME", help="Use this stack instead of the active one."),
]
