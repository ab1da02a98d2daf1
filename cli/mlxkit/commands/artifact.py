"""`mlx artifact`: what steps produced."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import terminal
from .app import new_app
from .artifact_diff import add_difference
from .options import Output
from .terminal import Format
from .zenml_words import VERSIONS_OF_ARTIFACTS, add_words

if TYPE_CHECKING:
    from ..runs.queries import RunQueries

app = new_app("Look at what steps produced, and get it.")

ArtifactName = Annotated[
    str,
    typer.Argument(
        metavar="ARTIFACT",
        help="pipeline::step::output, step::output, output, or the start of a digest; RUN: before it means as that run had it.",
    ),
]
RunOption = Annotated[
    str | None, typer.Option("--run", metavar="RUN", help="As this run had it, not the newest.")
]
Unpickle = Annotated[
    bool,
    typer.Option("--unpickle", help="Open pickled values, too; that runs code that is stored with them."),
]


@app.command("list")
def list_(
    pipeline: Annotated[
        str | None, typer.Option("--pipeline", metavar="NAME", help="Only artifacts of this pipeline.")
    ] = None,
    run: Annotated[
        str | None, typer.Option("--run", metavar="RUN", help="Only what this run used or made.")
    ] = None,
    step: Annotated[
        str | None, typer.Option("--step", metavar="STEP", help="Only what this step made.")
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option("--type", metavar="TYPE", help="Only this type, such as pandas.DataFrame or DataFrame."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-l", min=1, help="How many at most.")] = 50,
    output: Output = Format.table,
) -> None:
    """List artifacts, the newest first.

    Examples:

      mlx artifact list --run latest

      mlx artifact list --type DataFrame -o json
    """
    from ..client import Client

    runs = Client().runs
    wanted = {"pipeline": pipeline, "step": step, "kind": kind}
    listed = runs.artifacts(limit=limit, run_id=runs.get(run).id if run else None, **wanted)
    empty = "" if listed else _nothing(runs, wanted)
    terminal.emit(listed, output, ["name", "type", "size", "digest", "run", "summary"], empty=empty)


def _nothing(runs: RunQueries, wanted: Mapping[str, str | None]) -> str:
    """Say why nothing is listed: there is nothing yet, nothing goes by a name that was given, or not by all of them."""
    from ..errors import did_you_mean

    known = runs.artifacts(limit=500)
    if not known:
        return "no artifacts yet"
    names = {
        "pipeline": {item.name.split("::")[0] for item in known},
        "step": {item.name.split("::")[-2] for item in known},
        "kind": {name for item in known for name in (item.type, item.type.rpartition(".")[2])},
    }
    for key, given in wanted.items():
        if given is not None and not runs.artifacts(limit=1, **{key: given}):
            return f"no artifact of {'type' if key == 'kind' else key} {given!r}{did_you_mean(given, names[key])}"
    return "no artifact fits"


@app.command("describe")
def describe(
    artifact: ArtifactName,
    run: RunOption = None,
    rows: Annotated[int, typer.Option("--rows", min=1, help="How many rows or lines to show.")] = 10,
    unpickle: Unpickle = False,
    output: Output = Format.table,
) -> None:
    """Show one artifact: what it is, where it came from, who used it, and a first look at it.

    Exit status 3 says that its content is gone from the artifact store, 1 that it is there and cannot be read; what
    is known of it is shown all the same.

    Examples:

      mlx artifact describe train::model

      mlx artifact describe latest:load::table --rows 20
    """
    from ..client import Client
    from ..runs.artifact_uses import describe_artifact, find_artifact
    from ..runs.records import artifact_of
    from .artifact_preview import emit_description, end_if_unread, look_at

    client = Client()
    found = find_artifact(client.runs, artifact, run)
    store = client.store_of(found[0].run, artifact_of(found[1]))
    seen, problem = look_at(artifact_of(found[1]), store, rows=rows, unpickle=unpickle)
    described = describe_artifact(client.history, store, found, seen.to_dict())
    emit_description(described, seen, output)
    end_if_unread(described, problem)


@app.command("get")
def get(
    artifact: ArtifactName,
    run: RunOption = None,
    path: Annotated[
        Path | None,
        typer.Option(
            "--path", metavar="PATH", help="Write the stored file here instead of printing the value."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite PATH.")] = False,
    unpickle: Unpickle = False,
) -> None:
    """Print an artifact's value, or copy its file.

    A value that is pickled, or holds what is pickled, is not opened unless told; its file can be copied.

    Examples:

      mlx artifact get train::score

      mlx artifact get load::table --path table.arrow
    """
    from ..artifacts.printed import printed
    from ..client import Client
    from ..runs.artifact_uses import find_artifact
    from ..runs.records import artifact_of
    from ..runs.views import ArtifactView
    from .steering import put_text

    client = Client()
    listing, output = find_artifact(client.runs, artifact, run)
    stored = artifact_of(output)
    store = client.store_of(listing.run, stored)
    if path is None:
        put_text(printed(stored, store, unpickle=unpickle) + "\n")
    else:
        written = ArtifactView(output, store).copy_to(path, overwrite=force)
        terminal.say(f"{artifact} written to {written}")


add_difference(app)
add_words(app, "version", VERSIONS_OF_ARTIFACTS, "artifact")
add_words(app, "versions", VERSIONS_OF_ARTIFACTS, "artifact")
