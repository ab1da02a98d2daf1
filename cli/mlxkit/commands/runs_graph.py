"""`mlx runs graph`: the steps of a run, what went from one to another, and what became of each."""

from __future__ import annotations

import os
import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import terminal
from .cells import harmless
from .options import Output
from .pagefile import Overwrite, write_page
from .terminal import Format

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..runs.graph import RunGraph
    from ..runs.graph_text import TreeLine

_ANSI = {"completed": "32", "cached": "36", "failed": "31;1", "killed": "33", "skipped": "2"}


class Picture(str, Enum):
    """How a graph is drawn."""

    tree = "tree"
    mermaid = "mermaid"
    dot = "dot"
    html = "html"
    svg = "svg"

    def __str__(self) -> str:
        return self.value


def add_graph(app: typer.Typer) -> None:
    """Add the command to the group of runs."""

    @app.command("graph")
    def graph(
        run: Annotated[
            str,
            typer.Argument(metavar="RUN", help="A run's id (or its start), name, MLflow run id, or latest."),
        ] = "latest",
        picture: Annotated[
            Picture, typer.Option("--format", help="How it is drawn.", case_sensitive=False)
        ] = Picture.tree,
        file: Annotated[
            Path | None,
            typer.Option(
                "--output-file", metavar="FILE", help="Write the drawing here instead of printing it."
            ),
        ] = None,
        force: Overwrite = False,
        artifacts: Annotated[
            bool, typer.Option("--artifacts", help="Show what the steps made, too.")
        ] = False,
        output: Output = Format.table,
    ) -> None:
        """Draw the steps of a run: what fed what, and what became of each.

        A pipeline run that is on a tracker has the page in its artifacts, too, as mlx/graph.html;
        MLX_GRAPH=0 leaves it out.

        Examples:

          mlx runs graph

          mlx runs graph latest --format html --output-file run.html
        """
        from ..client import Client
        from ..runs.graph import graph_of_run

        client = Client()
        found = graph_of_run(client.runs, run)
        if output is not Format.table:
            terminal.emit_one(found, output)
        elif file is not None:
            lines = _lines(found, picture, artifacts, client.project.state_dir)
            write_page(file, "\n".join(lines) + "\n", "graph", force=force)
        elif picture is Picture.tree and terminal.has_colour(sys.stdout):
            for line in _coloured(found, artifacts):
                terminal.out(line)
        else:
            terminal.lines(
                line
                for text in _lines(found, picture, artifacts, client.project.state_dir)
                for line in text.split("\n")
            )


def _lines(graph: RunGraph, picture: Picture, artifacts: bool, state_dir: Path) -> Iterable[str]:
    from ..runs import graph_text

    if picture is Picture.mermaid:
        return graph_text.mermaid(graph, artifacts=artifacts)
    if picture is Picture.dot:
        return graph_text.dot(graph, artifacts=artifacts)
    if picture is Picture.svg:
        from ..runs.graph_svg import svg

        return svg(graph)
    if picture is Picture.html:
        from ..runs.graph_logs import log_tails
        from ..runs.graph_page import page

        return [page(graph, logs=log_tails(state_dir, graph)).rstrip("\n")]
    return [f"{start}{name}{rest}" for start, name, rest, _ in _columns(graph, artifacts)]


def _coloured(graph: RunGraph, artifacts: bool) -> Iterable[str]:
    """Return the tree's lines cut to the terminal, with the state in its colour."""
    width = _width()
    for start, name, rest, status in _columns(graph, artifacts):
        start, name, rest = harmless(start), harmless(name), harmless(rest)
        room = width - len(start) - len(name) if width else len(rest)
        if len(rest) > room > 0:
            rest = rest[: room - 1] + "~"
        code = _ANSI.get(status, "0" if status else "2")
        yield f"{start}{name}\x1b[{code}m{rest}\x1b[0m"


def _width() -> int:
    """Return how many characters a line of the terminal has; 0 where there is none."""
    if not terminal.is_terminal(sys.stdout):
        return 0
    try:
        return int(os.environ.get("COLUMNS", "0")) or os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError):
        return 0


def _columns(graph: RunGraph, artifacts: bool) -> list[tuple[str, str, str, str]]:
    """Return the strokes, name, facts and state of each line; facts begin in one column."""
    from ..runs import graph_text

    is_plain = not _can_print("│├└─↑↓←✓✗")
    marks = graph_text.PLAIN_MARKS if is_plain else graph_text.MARKS
    strokes = graph_text.ASCII if is_plain else graph_text.UNICODE
    lines = list(graph_text.tree(graph, strokes, artifacts=artifacts))
    wide = max((len(line.indent) + len(line.name) for line in lines if line.status), default=0)
    return [(line.indent, line.name, _rest(line, min(wide, 48), marks), line.status) for line in lines]


def _rest(line: TreeLine, column: int, marks: dict[str, str]) -> str:
    if not line.status:
        return f"  {line.note}" if line.note else ""
    space = " " * (max(column - len(line.indent) - len(line.name), 0) + 2)
    note = f"  {line.note}" if line.note else ""
    return f"{space}{marks.get(line.status, '?')} {'  '.join(line.facts)}{note}"


def _can_print(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeError, LookupError):
        return False
    return True
