"""`mlx doctor`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ..errors import ExitCode
from . import terminal
from .app import new_app
from .options import Output, StackOption
from .terminal import Format

app = new_app("Check that everything this project needs is in order.")


@app.command("doctor")
def doctor(
    online: Annotated[
        bool,
        typer.Option(
            "--online",
            help="Also ask servers: the tracker's, stores that are far away, providers of secrets.",
        ),
    ] = False,
    stack: StackOption = None,
    output: Output = Format.table,
) -> int:
    """Check that everything this project needs is in order.

    Examples:

      mlx doctor

      mlx doctor --online -o json

    Looks at mlx.yaml, the keyring (with a value of its own, which it removes), the tracker, the artifact store, the
    run history, deployments, versions and file modes. Every line that is not ok names the one command that mends it.
    The exit status is 1 when something is broken, 0 when there are only warnings.
    """
    from ..checkup.doctor import examine

    if online:
        terminal.let_person_unlock()
    found = examine(stack=stack, online=online)
    if output in (Format.json, Format.yaml):
        terminal.emit_one(found, output)
    elif terminal.is_terminal(sys.stdout) and output is Format.table:
        terminal.emit(found.findings, output, ("state", "name", "said"))
        for item in found.findings:
            if item.fix:
                terminal.say(f"{item.name}: {item.fix}")
    else:
        terminal.emit(found.findings, output, ("state", "name", "said", "fix"))
    broken = sum(item.state == "fail" for item in found.findings)
    if broken:
        terminal.say(f"{broken} of {len(found.findings)} checks failed")
    return int(ExitCode.ok if found.is_healthy else ExitCode.failed)
