"""`mlx completion`."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import UsageError, did_you_mean
from . import terminal
from .app import new_app

app = new_app("Completion for your shell, and the manual pages.")

Shell = Annotated[
    str | None,
    typer.Option("--shell", "-s", metavar="SHELL", help="bash, zsh, fish or powershell; yours without it."),
]
Man = Annotated[bool, typer.Option("--man", help="Install the manual pages, too.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be written, and write nothing.")]


# What loads the script into the shell that is open, without a file.
_LOADED = {
    "bash": 'eval "$(mlx completion bash)"',
    "zsh": 'eval "$(mlx completion zsh)"',
    "fish": "mlx completion fish | source",
    "powershell": "mlx completion powershell | Out-String | Invoke-Expression",
}


def _add_shell(shell: str) -> None:
    @app.command(shell, help=f"Print the script for {shell}.\n\nExamples:\n\n  {_LOADED[shell]}")
    def print_script() -> None:
        from ..completion.scripts import script

        terminal.out(script(shell).rstrip("\n"))


for _shell in _LOADED:
    _add_shell(_shell)


@app.command("install")
def install(shell: Shell = None, man: Man = False, dry_run: DryRun = False) -> None:
    """Put completion where your shell looks for it.

    No file that your shell reads at start is edited: bash (with the bash-completion package) and fish find the script
    by themselves, for zsh and PowerShell the line to add is printed.

    Examples:

      mlx completion install --man

      mlx completion install --shell zsh --dry-run
    """
    from ..completion.scripts import SCRIPTS
    from ..reference.installing import manual_files, planned, shell_of_user, write

    chosen = shell or shell_of_user()
    if chosen not in SCRIPTS:
        found = f"{chosen!r} is no shell that mlx knows{did_you_mean(chosen, SCRIPTS)}" if chosen else ""
        raise UsageError(found or "which shell?", hint=f"mlx completion install --shell {'|'.join(SCRIPTS)}")
    plan = planned(chosen)
    files = {**plan.files, **(manual_files() if man else {})}
    for path, text in files.items():
        verb = "would write" if dry_run else "wrote" if write(path, text) else "unchanged"
        terminal.say(f"{verb}: {path}")
    for line in plan.advice:
        terminal.say(line)
    if plan.line:
        terminal.out(plan.line)
