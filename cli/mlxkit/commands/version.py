"""`mlx version`."""

from __future__ import annotations

from .._version import __version__
from . import terminal
from .app import new_app

app = new_app("Print the version.")


@app.command("version")
def version() -> None:
    """Print the version."""
    terminal.out(__version__)
