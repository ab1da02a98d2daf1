"""`mlx tracker deploy`, `start`, `stop`, `status` and `logs`: a tracking server of one's own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UsageError
from . import terminal
from .attributes import PastedCommand
from .options import Output, Yes
from .streams import put
from .terminal import Format

if TYPE_CHECKING:
    from ..stacks.servers import DeployRecord, ServerRecord, TrackerServers

_LIST = ["name", "state", "url", "pid", "since", "backend", "artifacts", "reason"]

Name = Annotated[
    str | None, typer.Argument(metavar="[NAME]", help="Name of the tracker; one is made up when left out.")
]
Server = Annotated[
    str | None,
    typer.Argument(metavar="[NAME]", help="Name of the tracker; the active stack's, or the only one."),
]
Which = Annotated[
    str | None, typer.Argument(metavar="[NAME]", help="Name of the tracker; every one when left out.")
]
ProviderOption = Annotated[
    str,
    typer.Option("--provider", "-p", metavar="PROVIDER", help="Where it runs: local, docker or kubernetes."),
]
Extra = Annotated[
    list[str] | None, typer.Option("-x", "--option", metavar="KEY=VALUE", help="Say more; repeatable.")
]


def add_deploy(app: typer.Typer) -> None:
    """Add the commands for servers to the group of trackers."""
    app.command("deploy", cls=PastedCommand)(deploy)
    app.command("start")(start)
    app.command("stop")(stop)
    app.command("status")(status)
    app.command("logs")(logs)


def deploy(
    name: Name = None,
    flavor: Annotated[
        str, typer.Option("--flavor", "-f", metavar="FLAVOR", help="Which implementation it is.")
    ] = "mlflow",
    provider: ProviderOption = "local",
    extra: Extra = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be made, and make nothing.")
    ] = False,
    yes: Yes = False,
    output: Output = Format.table,
) -> None:
    """Run a tracking server of your own, with a password, and register it as a tracker.

    The provider `local` starts it on this machine, and it goes on when the shell ends; `docker` writes a Compose
    project and `kubernetes` writes manifests, each with PostgreSQL, and nothing is sent anywhere.

    Options of `local`: port, host, allowed_hosts, artifacts (or mlflow_bucket), backend, tls, insecure. Of `docker`:
    port, allowed_hosts, artifacts, folder, image. Of `kubernetes`: port, allowed_hosts, artifacts, folder,
    image, namespace, storage.

    Examples:

      mlx tracker deploy team -x artifacts=/data/artifacts -x tls=self-signed

      mlx tracker deploy team -x "backend=postgresql://<<pg.user>>:<<pg.password|url>>@db/mlflow"

      mlx tracker deploy team --flavor=mlflow -x mlflow_bucket=gs://bucket --provider=kubernetes
    """
    from ..stacks.servers import check_provider, open_servers

    place = check_provider(provider)
    options = _pairs(extra or [])
    terminal.let_person_unlock()
    servers = open_servers(flavor, waiting=terminal.say)
    record = servers.deploy(
        name, place, options, dry_run=dry_run, confirm=lambda question: terminal.confirm(question, yes=yes)
    )
    _made(record, output)


def start(name: Server = None, output: Output = Format.table) -> None:
    """Start a server that was deployed here, under the same address and with the same data.

    Examples:

      mlx tracker start team
    """
    terminal.let_person_unlock()
    found, servers = _find(name)
    _changed(servers.start(found), output)


def stop(name: Server = None, output: Output = Format.table) -> None:
    """Stop a server that was deployed here; its data stays.

    Examples:

      mlx tracker stop team
    """
    found, servers = _find(name)
    _changed(servers.stop(found), output)


def status(name: Which = None, output: Output = Format.table) -> None:
    """Show how the servers are that were deployed here.

    Examples:

      mlx tracker status

      mlx tracker status team -o json
    """
    from ..config.paths import find_project
    from ..stacks.servers import every_server

    if name is not None:
        found, servers = _find(name)
        terminal.emit_one(servers.status(found), output)
        return
    records = [servers.status(known) for known, servers in every_server(find_project())]
    terminal.emit(records, output, _LIST, empty="no server was deployed here; mlx tracker deploy makes one")


def logs(
    name: Server = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    lines: Annotated[
        int, typer.Option("--tail", "--lines", "-n", min=0, metavar="N", help="The last lines.")
    ] = 100,
) -> None:
    """Print what a server that was deployed here has written.

    It is text as the server wrote it, so there is no --output; `mlx tracker status` has one.

    Examples:

      mlx tracker logs team -f
    """
    from ..config.logfiles import last_lines
    from ..deployments.logs import followed

    found, servers = _find(name)
    path = servers.log(found)
    if not follow:
        terminal.lines(last_lines(path, lines))
        return
    for text in followed(path, lines, is_over=lambda: not path.parent.exists()):
        put(text)
        sys.stdout.flush()


def _find(name: str | None) -> tuple[str, TrackerServers]:
    from ..config.paths import find_project
    from ..stacks.servers import find_server

    return find_server(name, find_project(), terminal.say)


def _pairs(words: list[str]) -> dict[str, str]:
    """Take `key=value` words apart."""
    found: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise UsageError(f"-x {key}: it is written KEY=VALUE", hint="mlx tracker deploy --help")
        if key in found:
            raise UsageError(f"-x {key} is given twice")
        found[key] = value
    return found


def _made(record: DeployRecord, output: Format) -> None:
    """Say what was made and what comes next; the address, or the files, are the data."""
    for note in record.notes:
        terminal.warn(note)
    would = "would be " if record.dry_run else ""
    if record.provider == "local":
        terminal.say(f"experiment tracker {record.name!r} {would or 'is '}served at {record.url}")
        terminal.say(
            f"  {would}in {record.files[0]}, artifacts in {record.artifacts}, backend {record.backend}"
        )
    else:
        terminal.say(f"{would}written: {', '.join(record.files)}")
    terminal.say(
        f"  the password {'would be' if record.dry_run else 'is'} in secret {record.secret!r}, key password"
    )
    if not record.dry_run:
        terminal.say("next:")
        for command in record.next:
            terminal.say(f"  {command}")
    if output is not Format.table:
        terminal.emit_one(record, output)
        return
    for line in [record.url] if record.provider == "local" else record.files:
        terminal.out(line)


def _changed(record: ServerRecord, output: Format) -> None:
    where = f" at {record.url}" if record.state == "running" else ""
    because = f": {record.reason}" if record.reason else ""
    terminal.say(f"{record.name} is {record.state}{where}{because}")
    if output is not Format.table:
        terminal.emit_one(record, output)
