"""`mlx run`."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import UsageError
from . import terminal
from .app import new_app
from .as_job import as_job, claimed_job
from .helptext import Command
from .options import Output, StackOption
from .terminal import Format

if TYPE_CHECKING:
    from ..pipelines.session import Session

app = new_app("Run a pipeline file with the stack's tracker injected.")


class RunCommand(Command):
    """Keeps what stands after `--` apart: the parser would mix it with unknown options."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        own, after = (args[: args.index("--")], args[args.index("--") + 1 :]) if "--" in args else (args, [])
        ctx.obj = after
        return super().parse_args(ctx, own)


@app.command(
    "run", cls=RunCommand, context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
)
def run(
    ctx: typer.Context,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE[:PIPELINE]", help="The pipeline file, and the pipeline if it has several."
        ),
    ],
    stack: StackOption = None,
    tracker: Annotated[
        str | None, typer.Option("--tracker", "-t", metavar="NAME", help="Track every step on this tracker.")
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", metavar="NAME=VALUE", help="Set a parameter of the pipeline."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", metavar="FILE", help="Read parameters and options from a YAML file."),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", "-n", metavar="NAME", help="Name the run; {date} and {time} are filled in."),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option("--tag", metavar="TAG", help="Tag the run: a word, or KEY=VALUE; repeatable."),
    ] = None,
    workers: Annotated[
        str | None,
        typer.Option(
            "--workers",
            "-w",
            metavar="N",
            help="Run independent steps at once in N processes; auto: one a core.",
        ),
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Run every step.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say which steps would run and why, and run none.")
    ] = False,
    is_detached: Annotated[
        bool,
        typer.Option(
            "--detach", help="Have the cluster of the stack's orchestrator run the file, and return at once."
        ),
    ] = False,
    no_progress: Annotated[
        bool, typer.Option("--no-progress", help="Print a line an event instead of a live view.")
    ] = False,
    output: Output = Format.table,
) -> None:
    """Run a pipeline file with the stack's tracker injected.

    An unknown option after FILE is a parameter of the pipeline; what follows -- goes to the file. With -o json, yaml
    or name the runs that were made are printed, and what the file prints goes to stderr.

    With --detach the project travels to the cluster as a job, and the run's id is printed; `mlx runs logs ID -f`, `describe`
    and `cancel` go on from there. Secrets stay here: the cluster resolves the stack's references itself.

    Examples:

      mlx run train.py

      mlx run train.py --lr 0.001 --tracker team

      mlx run train.py --workers auto

      mlx run train.py:nightly --config run.yaml --dry-run

      mlx run train.py --detach --stack cluster
    """
    from ..pipelines.loader import Target, run_file
    from ..pipelines.parameters import parse_assignments, parse_flags
    from ..pipelines.resources import workers_of
    from ..pipelines.runconfig import RunConfig, read_run_config
    from ..pipelines.session import RunOptions, Session
    from ..runs.tagging import checked
    from .live import reporting
    from .streams import kept_for_data

    if file.startswith("-"):
        raise UsageError(f"{file} came before FILE; parameters follow it", hint="mlx run FILE --name value")
    is_data = (
        output is not Format.table
    )  # then stdout carries nothing else: what the file prints goes to stderr
    with reporting(no_progress=no_progress, is_dry=dry_run or is_data or is_detached) as reporter:
        target = Target.parse(file)
        extra, passed = list(ctx.args), list(ctx.obj or [])
        flags, loose = parse_flags(extra)
        options = RunOptions(
            stack=stack, tracker=tracker, name=name, tags=[checked(item) for item in tag or ()], use_cache=not no_cache, is_dry=dry_run, file=target.file, workers=workers_of(workers),
            parameters={**flags, **parse_assignments(parameter or [])}, config=read_run_config(config) if config else RunConfig(),
        )  # fmt: skip
        terminal.let_person_unlock()
        if is_detached:
            from .run_detached import run_detached

            run_detached(options, target, config, parameter or [], extra, passed, output)
            return
        job = claimed_job()
        session = Session(options, reporter=reporter)
        try:
            with kept_for_data() if is_data else nullcontext(), as_job(session, job):
                run_file(session, target, passed, words=extra, loose=loose)
        finally:
            if is_data and not dry_run:
                _print_runs(session, output)
    if dry_run:
        terminal.emit(
            session.planned, output, ["name", "action", "reason", "resources"], empty="no step would run"
        )


def _print_runs(session: Session, output: Format) -> None:
    """Print the runs that were made, also those that failed."""
    if not session.made:
        return
    from ..runs.queries import RunQueries
    from ..runs.search import listings

    queries = RunQueries(session.history)
    terminal.emit(listings(session.history, [queries.get(run) for run in session.made]), output, ["id"])
