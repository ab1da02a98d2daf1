"""What `mlx tracker` can do beyond what every component can: test, url, ui."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, cast

import typer

from ..errors import MlxError, NotFoundError
from . import terminal
from .options import Output
from .terminal import Format

if TYPE_CHECKING:
    from ..stacks.protocols import TrackerWithUi

Tracker = Annotated[
    str | None,
    typer.Argument(metavar="[NAME]", help="Name of the tracker; the active stack's when left out."),
]
Run = Annotated[str | None, typer.Option("--run", metavar="ID", help="A run, by its id or MLflow's.")]
Port = Annotated[int | None, typer.Option("--port", "-p", min=1, max=65535, help="Serve on this port.")]
NoOpen = Annotated[bool, typer.Option("--no-open", help="Print the address, open no browser.")]


def add_verbs(app: typer.Typer) -> None:
    """Add the tracker's own commands to its group."""

    @app.command("test")
    def test(name: Tracker = None, output: Output = Format.table) -> None:
        """Check that a tracker answers and takes the credentials.

        Examples:

          mlx tracker test

          mlx tracker test team -o json
        """
        found = _tracker(name).check()
        terminal.emit_one(found, output)
        terminal.say(f"tracker {found.to_dict()['name']!r} answers")

    @app.command("url")
    def url(name: Tracker = None, run: Run = None, output: Output = Format.table) -> None:
        """Print the address of a tracker's UI, or of a run in it.

        Examples:

          mlx tracker url team

          mlx tracker url --run latest
        """
        address = _tracker(name).url(run)
        if address is None:
            raise NotFoundError(f"the tracker has no run {run!r}", hint="mlx runs list")
        terminal.emit_address(address, output)

    @app.command("ui")
    def ui(name: Tracker = None, port: Port = None, no_open: NoOpen = False) -> None:
        """Open a tracker's UI; a local store's is served until Ctrl-C.

        Examples:

          mlx tracker ui

          mlx tracker ui --port 5001 --no-open
        """
        _tracker(name).show_ui(port, lambda address: _show(address, is_opened=not no_open))


def _tracker(name: str | None) -> TrackerWithUi:
    from ..stacks.trackers import open_tracker

    terminal.let_person_unlock()
    tracker = open_tracker(name)
    if not hasattr(tracker, "show_ui"):
        raise MlxError(f"tracker {name!r} is of a flavor without a UI")
    return cast("TrackerWithUi", tracker)


def _show(address: str, *, is_opened: bool) -> None:
    terminal.out(address)
    sys.stdout.flush()  # what follows may take until Ctrl-C
    if is_opened and _has_a_browser():
        import webbrowser

        webbrowser.open(address)


def _has_a_browser() -> bool:
    """Say whether a browser would open beside the terminal, and not inside it or nowhere."""
    if not terminal.can_ask() or not terminal.is_terminal(sys.stdout):
        return False
    displays = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    return sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in displays)
