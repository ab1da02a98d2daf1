"""`mlx integration`: ZenML's word for the libraries behind a flavor; here they come with the package or its extras."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import MissingDependencyError, NotFoundError, did_you_mean
from . import terminal
from .app import new_app
from .options import Yes
from .zenml_words import Word, add_word

app = new_app("Say whether an integration's libraries are there.")

# Library to look for, and the requirement that brings it.
_INTEGRATIONS = {
    "mlflow": ("mlflow", "mlxkit"),
    "sklearn": ("sklearn", "mlxkit"),
    "pandas": ("pandas", "mlxkit"),
}


@app.callback()
def group() -> None:
    """Say whether an integration's libraries are there."""


@app.command("install")
def install(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="The integrations.")],
    _yes: Yes = False,
) -> None:
    """Say that an integration is there, or what to type to get it; nothing is downloaded."""
    from importlib.util import find_spec

    for name in names:
        if name not in _INTEGRATIONS:
            raise NotFoundError(
                f"no integration {name!r}{did_you_mean(name, _INTEGRATIONS)}", hint="mlx flavor list"
            )
        library, requirement = _INTEGRATIONS[name]
        if find_spec(library) is None:
            raise MissingDependencyError(f"{name} is not installed", hint=f"pip install {requirement!r}")
        terminal.say(f"{name} is installed, there is nothing to do")


add_word(app, "list", Word("flavor list"), "integration list")
