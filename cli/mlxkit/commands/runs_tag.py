"""`mlx runs tag`: words to find runs by."""

from __future__ import annotations

from typing import Annotated

import typer

from . import terminal


def add_tags(app: typer.Typer) -> None:
    """Add the command to the group of runs."""

    @app.command("tag")
    def tag(
        run: Annotated[
            str,
            typer.Argument(metavar="RUN", help="A run's id (or its start), name, MLflow run id, or latest."),
        ],
        tags: Annotated[
            list[str] | None, typer.Argument(metavar="TAG", help="Words, or key=value.", show_default=False)
        ] = None,
        remove: Annotated[
            bool, typer.Option("--remove", help="Take these tags away; a key alone takes key=value.")
        ] = False,
    ) -> None:
        """Tag a run, or print its tags.

        Tags stay on this machine: the tracker's run does not get them. A key has one value, the last that was given.
        `mlx runs prune` leaves runs with the tag `keep` alone.

        Examples:

          mlx runs tag latest keep

          mlx runs tag latest team=vision baseline

          mlx runs tag latest baseline --remove
        """
        from ..client import Client
        from ..errors import UsageError
        from ..runs.tagging import add_tags, remove_tags

        client = Client()
        found = client.runs.get(run)
        if not tags:
            if remove:
                raise UsageError("which tags?", hint=f"mlx runs tag {run}")
            terminal.lines(client.runs.tags(found.id))
            return
        left = (remove_tags if remove else add_tags)(client.history, found.id, tags)
        terminal.say(
            f"run {found.name!r} is tagged {', '.join(left)}" if left else f"run {found.name!r} has no tags"
        )
