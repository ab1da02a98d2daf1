"""The commands that every kind of component has, made by one factory."""

from __future__ import annotations

import inspect
from typing import Annotated

import typer

from ..errors import UsageError
from ..stacks.components import Change, ComponentService
from ..stacks.kinds import KINDS, Kind
from . import terminal
from .app import new_app
from .attributes import attribute_command, attributes_of
from .options import AllowEmpty, DryRun, Force, Output, Yes
from .terminal import Format
from .zenml_words import add_flavor_words

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the component.")]
New = Annotated[str, typer.Argument(metavar="NEW", help="The other name.")]
FlavorOption = Annotated[
    str, typer.Option("--flavor", "-f", metavar="FLAVOR", help="Which implementation it is.")
]
Remove = Annotated[
    list[str] | None,
    typer.Option("--remove", metavar="ATTRIBUTE", help="Remove this attribute; repeatable."),
]


# What comes after `register` and after `update`.
_EXAMPLES = {
    "experiment_tracker": (
        'team --flavor=mlflow --tracking_uri=https://mlflow.example.com --tracking_token="<<mlflow.token>>"',
        "team --tracking_uri=https://mlflow.example.org",
    ),
    "artifact_store": ("big --flavor=local --path=/data/artifacts", "big --path=/data/more"),
    "orchestrator": ("here --flavor=local", "here --remove OLD_ATTRIBUTE"),
    "model_registry": ("models --flavor=mlflow", "models --remove OLD_ATTRIBUTE"),
    "model_deployer": ("serving --flavor=mlflow", "serving --remove OLD_ATTRIBUTE"),
}


def component_app(kind_name: str) -> typer.Typer:
    """Make the group of commands for one kind."""
    kind = KINDS[kind_name]
    one = f"{'an' if kind.title[0] in 'aeiou' else 'a'} {kind.title}"
    app = new_app(f"Register, show and change {kind.section.replace('_', ' ')}.")
    _add_changing(app, kind, one)
    _add_reading(app, kind, one)
    _add_naming(app, kind, one)
    add_flavor_words(app, kind.command)
    return app


def _add_changing(app: typer.Typer, kind: Kind, one: str) -> None:
    takes_attributes = attribute_command(kind.name)
    usage = "[OPTIONS] [--ATTRIBUTE=VALUE]..."
    rest = f"""
    Any other option is an attribute of the flavor, in snake or kebab case; `mlx flavor list {kind.command}` shows the
    flavors, `mlx flavor describe FLAVOR` their attributes. @FILE stands for what is in a file. Write a reference to a
    secret in quotes: "<<secret.key>>".
    """
    registering, updating = _EXAMPLES[kind.name]

    @app.command(
        "register",
        cls=takes_attributes,
        help=_help(f"Register {one}.", f"{kind.command} register {registering}", rest),
        options_metavar=usage,
        short_help=f"Register {one}.",
    )
    def register(
        ctx: typer.Context, name: Name, flavor: FlavorOption = "", allow_empty: AllowEmpty = False
    ) -> None:
        attributes = attributes_of(ctx, allow_empty=allow_empty)
        if not flavor:
            raise UsageError("--flavor is missing", hint=f"mlx flavor list {kind.command}")
        change = ComponentService().register(kind.name, name, flavor, attributes)
        terminal.say(f"registered {kind.title} {name!r} ({flavor})")
        _report(change)

    @app.command(
        "update",
        cls=takes_attributes,
        help=_help(f"Set and remove attributes of {one}.", f"{kind.command} update {updating}", rest),
        options_metavar=usage,
        short_help=f"Set and remove attributes of {one}.",
    )
    def update(
        ctx: typer.Context, name: Name, remove: Remove = None, allow_empty: AllowEmpty = False
    ) -> None:
        attributes = attributes_of(ctx, allow_empty=allow_empty)
        gone = [attribute.replace("-", "_") for attribute in remove or ()]
        if not attributes and not gone:
            raise UsageError("nothing to change", hint=f"mlx {kind.command} update {name} --ATTRIBUTE=VALUE")
        change = ComponentService().update(kind.name, name, attributes, remove=gone)
        terminal.say(f"updated {kind.title} {name!r}")
        _report(change)


def _add_reading(app: typer.Typer, kind: Kind, one: str) -> None:
    @app.command("list", help=_help(f"List the {kind.section.replace('_', ' ')}.", f"{kind.command} list"))
    def list_(output: Output = Format.table) -> None:
        records = ComponentService().list(kind.name)
        terminal.emit(records, output, ("name", "flavor", "attributes", "stacks"))

    @app.command(
        "describe",
        help=_help(f"Show {one} and its attributes.", f"{kind.command} describe {_example_of(kind)}"),
    )
    def describe(name: Name, output: Output = Format.table) -> None:
        terminal.emit_one(ComponentService().get(kind.name, name), output)


def _add_naming(app: typer.Typer, kind: Kind, one: str) -> None:
    name = _example_of(kind)

    @app.command(
        "rename", help=_help(f"Rename {one}, in its stacks too.", f"{kind.command} rename {name} {name}-old")
    )
    def rename(name: Name, new: New) -> None:
        ComponentService().rename(kind.name, name, new)
        terminal.say(f"renamed {kind.title} {name!r} to {new!r}")

    @app.command(
        "copy", help=_help(f"Register {one} like another one.", f"{kind.command} copy {name} {name}-2")
    )
    def copy(name: Name, new: New) -> None:
        ComponentService().copy(kind.name, name, new)
        terminal.say(f"copied {kind.title} {name!r} to {new!r}")

    @app.command("delete", help=_help(f"Delete {one}.", f"{kind.command} delete {name} --yes"))
    def delete(name: Name, yes: Yes = False, force: Force = False, dry_run: DryRun = False) -> None:
        service = ComponentService()
        users = service.check_deletable(kind.name, name, force=force)
        stays = _of_server(kind, name)
        if dry_run:
            also = f", also from {', '.join(users)}" if users else ""
            terminal.say(f"would delete {kind.title} {name!r}{also}")
            return
        terminal.confirm(f"delete {kind.title} {name!r}?", yes=yes)
        stacks = service.delete(kind.name, name, force=force)
        terminal.say(
            f"deleted {kind.title} {name!r}" + (f", also from {', '.join(stacks)}" if stacks else "")
        )
        for words in stays:
            terminal.say(f"  {words}")


def _example_of(kind: Kind) -> str:
    """Return the name of the component in the examples."""
    return _EXAMPLES[kind.name][0].split()[0]


def _help(summary: str, example: str, rest: str = "") -> str:
    return f"{summary}\n\nExamples:\n\n  mlx {example}\n\n{inspect.cleandoc(rest)}".rstrip()


def _of_server(kind: Kind, name: str) -> tuple[str, ...]:
    """Return what stays of a server that was deployed for a component; one that runs keeps it from being deleted."""
    if kind.name != "experiment_tracker":
        return ()
    from ..config.paths import find_project
    from ..stacks.servers import check_not_running

    return check_not_running(name, find_project())


def _report(change: Change) -> None:
    """Say back which references were stored, so that what the shell made of them is seen at once."""
    for key, value in change.component.attributes.items():
        if isinstance(value, str) and "<<" in value:
            terminal.say(f"  {key}: {value}")
    for warning in change.warnings:
        terminal.warn(warning)
