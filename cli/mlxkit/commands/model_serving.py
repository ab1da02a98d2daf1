"""`mlx model deploy` and `mlx model predict`: from a registered version to an answer."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import UsageError
from . import terminal
from .deployment import IgnoreRequirements
from .options import Output, StackOption, remember
from .streams import put
from .terminal import Format

if TYPE_CHECKING:
    from ..deployments.payload import Payload
    from ..deployments.records import DeploymentRecord
    from ..deployments.service import DeploymentService
    from ..deployments.signature import Signature

Reference = Annotated[
    str,
    typer.Argument(
        metavar="NAME[:VERSION|@ALIAS]", help="The model to serve; its newest version without more."
    ),
]
Host = Annotated[
    str, typer.Option("--host", metavar="HOST", help="Listen here; others reach it beyond loopback.")
]
Token = Annotated[
    str | None,
    typer.Option("--token", metavar="REFERENCE", help='What callers have to send: "<<secret.key>>".'),
]
Data = Annotated[
    str, typer.Option("--data", "-d", metavar="DATA", help="JSON, @FILE with JSON or CSV, or - for stdin.")
]
Predictions = Annotated[
    Format | None,
    typer.Option(
        "--output",
        "-o",
        envvar="MLX_OUTPUT",
        callback=remember,
        help="Print as json, as table with one prediction a line, or as yaml.",
        case_sensitive=False,
    ),
]


def add_serving(app: typer.Typer) -> None:
    """Add `deploy` and `predict` to the group of models."""
    app.command("deploy")(deploy)
    app.command("predict")(predict)


def deploy(
    reference: Reference,
    name: Annotated[
        str | None, typer.Option("--name", "-n", metavar="NAME", help="Name of the deployment: the model's.")
    ] = None,
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="0 takes a free one.")] = 0,
    host: Host = "127.0.0.1",
    workers: Annotated[int, typer.Option("--workers", "-w", min=1, help="How many processes.")] = 1,
    token: Token = None,
    max_body: Annotated[
        str, typer.Option("--max-body", metavar="SIZE", help="Refuse requests larger than this.")
    ] = "32MB",
    timeout: Annotated[
        float,
        typer.Option("--timeout", metavar="SECONDS", min=0.1, help="How long it may take to get ready."),
    ] = 60.0,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it answers.")] = True,
    ignore_requirements: IgnoreRequirements = False,
    stack: StackOption = None,
    output: Output = Format.table,
) -> None:
    """Serve a model on this machine.

    The server speaks MLflow's protocol, and goes on when the shell ends.

      mlx model deploy iris@production --workers 2

    Examples:

      mlx model deploy iris@production --name live
    """
    from ..deployments.sizes import size_of

    terminal.let_person_unlock()
    service = _service(stack)
    record = service.deploy(
        reference, name, host=host, port=port, workers=workers, token=token, wait=wait, ready_within=timeout,
        max_body=size_of(max_body, what="--max-body"), ignore_requirements=ignore_requirements,
    )  # fmt: skip
    for note in record.notes:
        terminal.warn(note)
    terminal.say(f"{record.name} serves {record.model}:{record.version}" + ("" if wait else " soon"))
    if output is not Format.table:
        terminal.emit_one(record, output)
        return
    terminal.out(record.prediction_url)
    terminal.say(_curl(record, service.signature(record.name)))


def predict(
    name: Annotated[str, typer.Argument(metavar="DEPLOYMENT", help="Name of the deployment.")],
    data: Data,
    format: Annotated[
        str | None, typer.Option("--format", metavar="FORMAT", help="json or csv; a file's name says it.")
    ] = None,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0.1, help="How long it may take to answer.")
    ] = 60.0,
    output: Predictions = None,
) -> None:
    """Ask a deployment for predictions.

    Rows are lists or objects; a body in MLflow's own form goes as it is.

      mlx model predict iris --data '[[5.1, 3.5, 1.4, 0.2]]'

      mlx model predict iris --data @rows.csv

    Examples:

      mlx model predict live --data '[[5.1, 3.5, 1.4, 0.2]]'
    """
    if format not in (None, "json", "csv"):
        raise UsageError(f"--format {format}: it is json or csv")
    terminal.let_person_unlock()
    service = _service(None)
    answer = service.send(name, _source(data, format, service, name), timeout=timeout)
    _print(answer.get("predictions", answer) if isinstance(answer, dict) else answer, output)


def _service(stack: str | None) -> DeploymentService:
    from ..deployments.service import DeploymentService

    return DeploymentService(stack=stack, waiting=terminal.say)


def _source(
    data: str, format: str | None, service: DeploymentService, name: str
) -> Callable[[Signature], Payload]:
    """Return what makes the payload of a file, of standard input, or of the text itself."""
    from ..deployments.payload import CSV, JSON, from_bytes, from_file, is_pipe

    kinds = {None: JSON, "json": JSON, "csv": CSV}
    path = Path(data[1:]).expanduser() if data.startswith("@") else Path("-")
    if data.startswith("@") and not is_pipe(path):
        kind = CSV if format is None and path.suffix.lower() == ".csv" else kinds[format]
        return lambda signature: from_file(path, kind, signature)
    if data != "-" and not data.startswith("@"):
        return lambda signature: from_bytes(os.fsencode(data), kinds[format], signature, what="--data")
    if data == "-" and terminal.is_terminal(sys.stdin):
        raise UsageError(
            "--data -: nothing is piped in", hint=f"mlx model predict {name} --data - < rows.json"
        )

    def read(signature: Signature) -> Payload:
        from ..deployments.scoring import read_once

        what = "standard input" if data == "-" else str(path)
        with sys.stdin.buffer if data == "-" else path.open("rb") as source:
            text = read_once(source, service.get(name), what=what)
        return from_bytes(text, kinds[format], signature, what=what)

    return read


def _print(predictions: Any, output: Format | None) -> None:
    import json

    from ..records import plain

    predictions = plain(predictions)
    if output is Format.yaml:
        from ..config.yamltext import dump_yaml

        put(dump_yaml(predictions))
    elif output in (None, Format.json) or not isinstance(predictions, list):
        terminal.out(json.dumps(predictions, ensure_ascii=False))
    else:
        for item in predictions:
            terminal.out(item if isinstance(item, str) else json.dumps(item, ensure_ascii=False))


def _curl(record: DeploymentRecord, signature: Signature) -> str:
    """Return a command line that works; the token goes through a pipe, so that no list of processes shows it."""
    import shlex

    body = signature.sample()
    shown = shlex.quote(body) if body else "@rows.json"
    line = f"curl {record.prediction_url} -H 'Content-Type: application/json' -d {shown}"
    if record.token:
        from ..secrets.references import find

        token = find(record.token)[0]
        told = f"mlx secret get {token.secret} {token.key} --reveal"
        line = f"{{ printf 'Authorization: Bearer '; {told}; }} | {line} -H @-"
    return line
