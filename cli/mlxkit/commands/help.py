"""`mlx help`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from . import terminal
from .app import new_app

app = new_app("Show a page of the manual.")


@app.command("help")
def help_(
    topic: Annotated[
        list[str] | None,
        typer.Argument(metavar="TOPIC...", help="A command, or another topic; a list of them without it."),
    ] = None,
) -> None:
    """Show a page of the manual.

    On a terminal it is shown by `man`, else by a pager; on a pipe it is plain text.

    Examples:

      mlx help

      mlx help stack register

      mlx help mlx.yaml
    """
    from ..reference.lookup import all_topics, find_page
    from ..reference.plain import plain

    if not topic:
        width = max(map(len, all_topics()))
        terminal.lines(f"{name:<{width}}  {about}" for name, about in all_topics().items())
        terminal.say("mlx help TOPIC shows one of them")
        return
    page = find_page(topic)
    if not terminal.is_terminal(sys.stdout) or not terminal.is_terminal(sys.stdin):
        terminal.out(plain(page).rstrip("\n"))
    elif shutil.which("man"):
        from ..reference.roff import roff

        _show(["man", "-l"], roff(page), page.file)
    elif pager := os.environ.get("PAGER") or shutil.which("less") or shutil.which("more"):
        _show(pager.split(), plain(page), page.file)
    else:
        terminal.out(plain(page).rstrip("\n"))


def _show(program: list[str], text: str, name: str) -> None:
    """Give a text to a program that shows it, as a file of its own: a program that reads a pipe has no keyboard."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="mlx-help-") as folder:
        path = Path(folder) / name
        path.write_text(text, encoding="utf-8")
        subprocess.run([*program, str(path)], check=False)
