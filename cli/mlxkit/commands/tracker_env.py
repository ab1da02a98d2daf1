"""`mlx tracker env`: a tracker's variables for a shell."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ..errors import MlxError, UsageError
from . import terminal


class Shell(str, Enum):
    """What the lines are written for."""

    bash = "bash"
    fish = "fish"
    powershell = "powershell"
    json = "json"

    def __str__(self) -> str:
        return self.value


def add_env(app: typer.Typer) -> None:
    """Add `env` to the commands of a tracker."""

    @app.command("env")
    def env(
        name: Annotated[
            str | None,
            typer.Argument(metavar="[NAME]", help="Name of the tracker; the active stack's when left out."),
        ] = None,
        shell: Annotated[
            Shell | None,
            typer.Option(
                "--shell", metavar="SHELL", help="bash (sh, zsh), fish, powershell or json; yours by default."
            ),
        ] = None,
        reveal: Annotated[
            bool, typer.Option("--reveal", help="Show the credentials on a terminal, too.")
        ] = False,
        no_secrets: Annotated[
            bool, typer.Option("--no-secrets", help="Leave the credentials out, and say which are missing.")
        ] = False,
    ) -> None:
        """Print what another MLflow client needs in its environment.

        With the credentials in plain text: on a pipe freely, on a terminal only with --reveal. Every process that is
        started from that shell can read them. `mlx exec -- COMMAND` gives them to one program alone. There is no --output:
        --shell says the form, and json is one.

        Examples:

          eval "$(mlx tracker env team)"

          mlx tracker env team --shell fish | source

          mlx tracker env team --no-secrets
        """
        from ..stacks.trackers import open_tracker

        terminal.let_person_unlock()
        tracker = open_tracker(name)
        if not hasattr(tracker, "environment"):
            raise MlxError(f"tracker {name!r} is of a flavor that other programs cannot log to by themselves")
        found = tracker.environment()
        variables = dict(found.variables)
        if no_secrets:
            if found.secrets:
                terminal.warn(f"left out: {', '.join(found.secrets)}")
        else:
            _check_screen(list(found.secrets), reveal=reveal)
            variables |= {key: value.reveal() for key, value in found.secrets.items()}
        unset = [key for key in found.unset if no_secrets is False or key not in found.secrets]
        terminal.out(_WRITERS[shell or _own_shell()](variables, unset))


def _check_screen(secret: list[str], *, reveal: bool) -> None:
    """Let credentials onto a screen only when that was asked for, and say so."""
    if not secret or not terminal.is_terminal(sys.stdout):
        return
    if not reveal:
        raise UsageError(
            f"{', '.join(secret)} would be readable on the screen",
            hint='eval "$(mlx tracker env)" sets them unseen; --reveal shows them, --no-secrets leaves them out',
        )
    terminal.warn(f"{', '.join(secret)} stand on the screen in plain text, and in what it keeps of its past")


def _own_shell() -> Shell:
    name = Path(os.environ.get("SHELL", "")).name
    return Shell.fish if name == "fish" else Shell.powershell if sys.platform == "win32" else Shell.bash


def _bash(variables: Mapping[str, str], unset: list[str]) -> str:
    import shlex

    return "\n".join(
        [
            f"unset {' '.join(unset)}",
            *(f"export {key}={shlex.quote(text)}" for key, text in variables.items()),
        ]
    )


def _fish(variables: Mapping[str, str], unset: list[str]) -> str:
    def quoted(text: str) -> str:
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

    return "\n".join(
        [f"set -e {' '.join(unset)}", *(f"set -gx {key} {quoted(text)}" for key, text in variables.items())]
    )


def _powershell(variables: Mapping[str, str], unset: list[str]) -> str:
    """Write assignments; PowerShell ends a text at typographic quotes, too, and takes each of them doubled for one."""

    def quoted(text: str) -> str:
        return "'" + "".join(mark * 2 if mark in "'\u2018\u2019\u201a\u201b" else mark for mark in text) + "'"

    gone = [f"Remove-Item Env:{key} -ErrorAction SilentlyContinue" for key in unset]
    return "\n".join([*gone, *(f"$env:{key} = {quoted(text)}" for key, text in variables.items())])


def _json(variables: Mapping[str, str], unset: list[str]) -> str:  # noqa: ARG001 - an object has no word for it
    import json

    return json.dumps(dict(variables), indent=2, ensure_ascii=False)


_WRITERS: Mapping[Shell, Callable[[Mapping[str, str], list[str]], str]] = {
    Shell.bash: _bash,
    Shell.fish: _fish,
    Shell.powershell: _powershell,
    Shell.json: _json,
}
