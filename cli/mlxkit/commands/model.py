"""`mlx model`: the models of the stack's registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UsageError
from . import terminal
from .app import new_app
from .model_lineage import add_lineage
from .model_serving import add_serving
from .model_stages import add_stages
from .options import DryRun, Output, StackOption, Yes
from .terminal import Format
from .zenml_words import VERSIONS_OF_MODELS, add_words

if TYPE_CHECKING:
    from ..models.service import ModelService

app = new_app("Models: register, promote, compare, deploy and trace them.")

ModelName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the model.")]
Reference = Annotated[
    str, typer.Argument(metavar="NAME[:VERSION|@ALIAS]", help="A model, or one version of it.")
]
Description = Annotated[str | None, typer.Option("--description", metavar="TEXT", help="What it is.")]
Limit = Annotated[int, typer.Option("--limit", "-l", min=1, help="How many at most.")]
VersionTag = Annotated[
    str | None,
    typer.Option("--version-tag", metavar="LABEL", help="A label such as 1.0.0, for NAME:1.0.0."),
]


@app.command("register")
def register(
    name: ModelName,
    run: Annotated[
        str,
        typer.Option("--run", "-r", metavar="RUN", help="A run's id, name, MLflow run id, or latest."),
    ],
    step: Annotated[
        str | None, typer.Option("--step", metavar="STEP", help="The model of this step.")
    ] = None,
    path: Annotated[
        str | None, typer.Option("--path", metavar="NAME", help="The name it was logged under: model.")
    ] = None,
    version_tag: VersionTag = None,
    description: Description = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", metavar="KEY=VALUE", help="A tag of the version; repeatable.")
    ] = None,
    output: Output = Format.table,
    stack: StackOption = None,
    tracker: Annotated[
        str | None,
        typer.Option("--tracker", "-t", metavar="NAME", help="In the registry of this tracker."),
    ] = None,
) -> None:
    """Register the model of a run as a new version.

    A model that is registered already is not registered again, unless with another version tag.

    Example: mlx model register iris --run latest --version-tag 1.0.0
    """
    service = _service(stack, tracker)
    done = service.register(
        name, run, step=step, path=path, version_tag=version_tag, description=description, tags=_pairs(tag)
    )
    version = done.version.reference
    where = f" on tracker {tracker!r}" if tracker else ""
    terminal.say(f"registered {version}{where}" if done.is_new else f"{version}{where} is that model already")
    for note in done.notes:
        terminal.say(note)
    if output is Format.name:
        terminal.out(version)
    elif output is not Format.table:
        terminal.emit_one(service.get(version), output)


@app.command("list")
def list_(limit: Limit = 100, output: Output = Format.table, stack: StackOption = None) -> None:
    """List the models.

    The metrics are those of the version in production, or of the newest.

    Examples:

      mlx model list -o json
    """
    terminal.emit(
        _service(stack).list(limit=limit),
        output,
        ["name", "latest", "aliases", "metrics", "updated"],
        empty="no models yet; mlx model register NAME --run latest makes one",
    )


@app.command("describe")
def describe(reference: Reference, output: Output = Format.table, stack: StackOption = None) -> None:
    """Show a model with its versions, or one version.

    Examples:

      mlx model describe iris@production
    """
    from ..models.records import ModelDescription

    described = _service(stack).describe(reference)
    if output is Format.name:
        terminal.out(described.reference)
    elif isinstance(described, ModelDescription) and output is Format.table:
        terminal.emit_one(described.model, output)
        terminal.out("")
        terminal.emit(described.versions, output, _VERSION_COLUMNS, empty="no version yet")
    else:
        terminal.emit_one(described, output)


@app.command("versions")
def versions(
    name: ModelName,
    limit: Limit = 100,
    output: Output = Format.table,
    stack: StackOption = None,
) -> None:
    """List the versions of a model, the newest first.

    Examples:

      mlx model versions iris
    """
    found = _service(stack).versions(name, limit=limit)
    if output is Format.name:
        for version in found:
            terminal.out(version.reference)
        return
    terminal.emit(found, output, _VERSION_COLUMNS, empty=f"model {name!r} has no version yet")


_VERSION_COLUMNS = ("version", "version_tag", "aliases", "metrics", "run", "created")


@app.command("tag")
def tag(
    reference: Reference,
    tags: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE...", help="Tags to set.")] = None,
    remove: Annotated[
        list[str] | None, typer.Option("--remove", metavar="KEY", help="Remove this tag; repeatable.")
    ] = None,
    stack: StackOption = None,
) -> None:
    """Set and remove tags of a model or a version.

    Examples:

      mlx model tag iris:7 team=search
    """
    left = _service(stack).tag(reference, _pairs(tags), remove=remove or ())
    shown = ", ".join(f"{key}={value}" for key, value in left.items())
    terminal.say(f"{reference} has {f'the tags {shown}' if shown else 'no tags'}")


@app.command("update")
def update(
    reference: Reference,
    description: Description = None,
    version_tag: VersionTag = None,
    stack: StackOption = None,
) -> None:
    """Describe a model or a version anew.

    Examples:

      mlx model update iris --description "Petals and sepals"

      mlx model update iris:3 --description "Without outliers"
    """
    _service(stack).update(reference, description=description, version_tag=version_tag)
    terminal.say(f"updated {reference}")


@app.command("delete")
def delete(
    reference: Reference,
    yes: Yes = False,
    force: Annotated[
        bool, typer.Option("--force", help="Do it although it is deployed or holds an alias.")
    ] = False,
    dry_run: DryRun = False,
    stack: StackOption = None,
) -> None:
    """Delete a version, or a model with all of them.

    Examples:

      mlx model delete iris:3
    """
    service = _service(stack)
    planned = service.plan_deletion(reference, force=force)
    if dry_run:
        terminal.say(f"would delete {planned.sentence}")
        return
    terminal.confirm(f"delete {planned.sentence}?", yes=yes)
    service.delete(planned.reference, force=force)
    terminal.say(f"deleted {planned.sentence}")
    if planned.aliases:
        terminal.say(f"nothing is {', '.join(planned.aliases)} any more")
    for name in planned.deployments:
        terminal.warn(f"deployment {name!r} serves it still, from a copy of its files")


def _service(stack: str | None, tracker: str | None = None) -> ModelService:
    from ..models.service import ModelService

    terminal.let_person_unlock()
    return ModelService(stack=stack, tracker=tracker, waiting=terminal.say)


def _pairs(given: list[str] | None) -> dict[str, str]:
    found = {}
    for text in given or ():
        key, mark, value = text.partition("=")
        if not mark or not key.strip():
            raise UsageError(f"{text!r} is no tag", hint="KEY=VALUE")
        found[key.strip()] = value
    return found


add_stages(app, _service)
add_lineage(app, _service)
add_serving(app)
add_words(app, "version", VERSIONS_OF_MODELS, "model")
