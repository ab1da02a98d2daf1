"""`mlx exec`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from . import terminal
from .app import new_app
from .options import StackOption

if TYPE_CHECKING:
    from ..pipelines.reporting import Reporter

app = new_app("Run any program as one tracked run.")


class Credentials(str, Enum):
    """How a program gets at the tracker's credentials."""

    auto = "auto"
    plugin = "plugin"
    environment = "environment"

    def __str__(self) -> str:
        return self.value


@app.command("exec", context_settings={"allow_interspersed_args": False})
def exec_(
    command: Annotated[
        list[str], typer.Argument(metavar="COMMAND...", help="The program and its arguments, after --.")
    ],
    stack: StackOption = None,
    tracker: Annotated[
        str | None, typer.Option("--tracker", "-t", metavar="NAME", help="Log to this tracker.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", "-n", metavar="NAME", help="Name the run.")] = None,
    pipeline: Annotated[
        str | None,
        typer.Option(
            "--pipeline", metavar="NAME", help="List the run under this name instead of the program's."
        ),
    ] = None,
    experiment: Annotated[
        str | None,
        typer.Option("--experiment", metavar="NAME", help="Log to this experiment of the tracker."),
    ] = None,
    credentials: Annotated[
        Credentials,
        typer.Option(
            "--credentials",
            help="Where the program finds the tracker's credentials: plugin, environment or auto.",
        ),
    ] = Credentials.auto,
) -> None:
    """Run any program as one tracked run.

    The program finds the tracker in its environment (MLFLOW_TRACKING_URI, MLFLOW_RUN_ID, MLFLOW_EXPERIMENT_ID), so
    that MLflow in whatever language logs into the run that is opened around it. Its exit status is that of mlx, 128
    and the number for a signal, and decides how the run ended. Signals are passed on; what it prints is masked and kept.

    Its environment holds the tracker's credentials and no other secret of mlx; what is set for other tools stays.
    With --credentials plugin mlxkit inside of it looks them up, and its environment holds what unlocks their store:
    the program can then read every secret that is there. `auto` does so only for this Python, and where the stores need nothing from the environment. Masking is a
    seat belt: what a program encodes, wraps or cuts differently is not recognised. When mlx itself is killed, the program is told by SIGHUP, and the next command closes the run.

    Examples:

      mlx exec -- ./train.sh --epochs 3

      mlx exec --tracker team --name nightly -- papermill in.ipynb out.ipynb

      mlx exec -- Rscript fit.R
    """
    from ..pipelines.program import Program, run_program
    from ..pipelines.session import RunOptions, Session

    asked = _let_person_unlock()
    with _reporting() as reporter:
        session = Session(RunOptions(stack=stack, tracker=tracker, name=name), reporter=reporter)
        session.stack  # noqa: B018 - resolves every reference, and so tells whether somebody was asked
        program = Program(
            command,
            pipeline=pipeline,
            experiment=experiment,
            credentials=credentials.value,
            was_unlocked=bool(asked),
        )
        status = run_program(session, program)
    raise SystemExit(status)


@contextmanager
def _reporting() -> Iterator[Reporter]:
    """Give what tells of the run: on a terminal how it ended, in a job of GitHub's the runner, else nothing."""
    from ..pipelines.reporting import EndReporter

    if os.environ.get("GITHUB_ACTIONS") == "true":
        from ..pipelines.actions import workflow_commands

        with workflow_commands(is_quiet=True, is_joined=False) as reporter:
            yield reporter
    else:
        yield EndReporter(is_quiet=terminal.settings.quiet or not terminal.is_terminal(sys.stderr))


def _let_person_unlock() -> list[str]:
    """Have the master password asked for here, if it is needed; returns what was asked, also later."""
    from ..secrets.stores.master_key import ask_with

    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return terminal.ask_hidden(prompt)

    ask_with(ask if terminal.can_ask() else None)
    return asked
