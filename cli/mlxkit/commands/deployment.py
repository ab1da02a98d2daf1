"""`mlx deployment`: the models that are served on this machine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from . import terminal
from .app import new_app
from .options import DryRun, Output, Yes
from .streams import put
from .terminal import Format

if TYPE_CHECKING:
    from ..deployments.records import DeploymentRecord
    from ..deployments.service import DeploymentService

app = new_app("See, change and stop the models that are served on this machine.")

_LIST = ["name", "reference", "version", "follows", "alias_now", "state", "url", "started", "reason"]

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the deployment.")]
MaxBody = Annotated[
    str | None, typer.Option("--max-body", metavar="SIZE", help="Refuse requests larger than this: 32MB.")
]
IgnoreRequirements = Annotated[
    bool, typer.Option("--ignore-requirements", help="Serve it although packages that it names are missing.")
]

Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout", metavar="SECONDS", min=0.1, help="How long it may take to get ready, from now on."
    ),
]


@app.command("list")
def list_(output: Output = Format.table) -> None:
    """List the deployments, and which alias has moved on.

    Examples:

      mlx deployment list
    """
    terminal.emit(_service().list(), output, _LIST, empty="no deployments; mlx model deploy NAME makes one")


@app.command("describe")
def describe(name: Name, output: Output = Format.table) -> None:
    """Show one deployment.

    Examples:

      mlx deployment describe live

      mlx deployment describe live -o json
    """
    terminal.emit_one(_service().describe(name), output)


@app.command("url")
def url(name: Name, output: Output = Format.table) -> None:
    """Print the address that predictions are asked from.

    Examples:

      mlx deployment url live
    """
    terminal.emit_address(_service().reachable(name).prediction_url, output)


@app.command("logs")
def logs(
    name: Name,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, metavar="N", help="The last lines.")] = 100,
) -> None:
    """Print what the server of a deployment has written.

    It is text as the server wrote it, so there is no --output.

    Examples:

      mlx deployment logs live -f
    """
    from ..config.logfiles import last_lines
    from ..deployments.logs import followed

    path = _service().log(name)
    if not follow:
        for line in last_lines(path, lines):
            terminal.out(line)
        return
    for text in followed(path, lines, is_over=lambda: not path.parent.exists()):
        put(text)
        sys.stdout.flush()
    terminal.say(f"deployment {name!r} was deleted")


@app.command("start")
def start(
    name: Name,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it answers.")] = True,
    timeout: Timeout = None,
    output: Output = Format.table,
) -> None:
    """Serve again what was stopped or has died.

    Examples:

      mlx deployment start live

      mlx deployment start live --timeout 300
    """
    terminal.let_person_unlock()
    _changed(_service().start(name, wait=wait, ready_within=timeout), output)


@app.command("stop")
def stop(name: Name, output: Output = Format.table) -> None:
    """Stop serving, after the requests that are being answered.

    Examples:

      mlx deployment stop live
    """
    _changed(_service().stop(name), output)


@app.command("update")
def update(
    name: Name,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", metavar="NAME[:VERSION|@ALIAS]", help="Serve this one from now on."),
    ] = None,
    workers: Annotated[int | None, typer.Option("--workers", "-w", min=1, help="How many processes.")] = None,
    max_body: MaxBody = None,
    timeout: Timeout = None,
    ignore_requirements: IgnoreRequirements = False,
    output: Output = Format.table,
) -> None:
    """Swap the model without a failed request, or follow an alias.

    Without options the deployment follows what it was made from; with others than --model its version stays.
    A model that does not load changes nothing.

      mlx deployment update iris --model iris:8

    Examples:

      mlx deployment update live --model iris:8
    """
    from ..deployments.sizes import size_of

    terminal.let_person_unlock()
    size = None if max_body is None else size_of(max_body, what="--max-body")
    _changed(
        _service().update(
            name,
            model,
            workers=workers,
            max_body=size,
            ready_within=timeout,
            ignore_requirements=ignore_requirements,
        ),
        output,
    )


@app.command("delete")
def delete(name: Name, yes: Yes = False, dry_run: DryRun = False) -> None:
    """Stop a deployment and remove it with its files.

    Examples:

      mlx deployment delete live --yes
    """
    service = _service()
    service.store.check_exists(name)
    if dry_run:
        terminal.say(f"would stop and delete deployment {name!r} with its files")
        return
    terminal.confirm(f"stop and delete deployment {name!r}?", yes=yes)
    service.delete(name)
    terminal.say(f"deployment {name!r} is deleted")


def _service() -> DeploymentService:
    from ..deployments.service import DeploymentService

    return DeploymentService(waiting=terminal.say)


def _changed(record: DeploymentRecord, output: Format) -> None:
    """Say what became of a deployment."""
    from ..stacks.deployers import ANSWERS

    where = f" at {record.url}" if record.state in (*ANSWERS, "starting") and record.url else ""
    terminal.say(
        f"{record.name} serves {record.model}:{record.version}{where}"
        if where
        else f"{record.name} is {record.state}"
    )
    for note in record.notes:
        terminal.say(note)
    if output is not Format.table:
        terminal.emit_one(record, output)
