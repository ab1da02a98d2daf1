"""The command tree: one row a command, each module imported only when its command is called."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from . import terminal
from .global_options import Debug, Quiet, TakesGlobalOptions, Verbose
from .helptext import Command, write_help

# What ZenML does with its server; commands/zenml_server.py says what there is instead.
OF_A_SERVER = (
    "up", "down", "login", "logout", "connect", "disconnect", "server", "show", "user", "project", "workspace",
    "service-account", "service-connector", "code-repository",
)  # fmt: skip


class Row(NamedTuple):
    """Where a command lives and what it is for; `import_module(module).app` is a Typer application."""

    module: str
    help: str
    is_hidden: bool = False


COMMANDS: dict[str, Row] = {
    "init": Row("init", "Write a commented mlx.yaml here, with --example also a pipeline."),
    "status": Row("status", "Say where this project stands: its stack, tracker and last run."),
    "doctor": Row("doctor", "Check that everything this project needs is in order."),
    "run": Row("run", "Run a pipeline file with the stack's tracker injected."),
    "exec": Row("exec", "Run any program as one tracked run."),
    "runs": Row("runs", "Look at what was run."),
    "pipeline": Row("pipeline", "Look at pipelines and their last runs."),
    "artifact": Row("artifact", "Look at what steps produced, and get it."),
    "cache": Row("cache", "Look after what steps gave, kept for whoever would run the same."),
    "model": Row("model", "Models: register, promote, compare, deploy and trace them."),
    "deployment": Row("deployment", "Deployments: the models that are served on this machine."),
    "stack": Row("stack", "Choose which components work together."),
    "tracker": Row("tracker", "Experiment trackers: where runs are logged."),
    "artifact-store": Row("artifact_store", "Artifact stores: where step outputs are kept."),
    "orchestrator": Row("orchestrator", "Orchestrators: what executes the steps."),
    "registry": Row("registry", "Model registries: where model versions are kept."),
    "deployer": Row("deployer", "Model deployers: what serves a model."),
    "flavor": Row("flavor", "Flavors: the implementations to choose from, and their attributes."),
    "secret": Row("secret", "Secrets: credentials in the OS keyring, used by reference."),
    "completion": Row("completion", "Completion for your shell, and the manual pages."),
    "help": Row("help", "Show a page of the manual."),
    "version": Row("version", "Print the version."),
    # ZenML's words that have another home here: they work, and say where it is.
    "integration": Row("integration", "Say whether an integration's libraries are there.", is_hidden=True),
    "secrets-manager": Row("secrets_manager", "Write `mlx secret create`.", is_hidden=True),
    "experiment-tracker": Row("experiment_tracker", "Write `mlx tracker`.", is_hidden=True),
    "model-registry": Row("model_registry", "Write `mlx registry`, or `mlx model`.", is_hidden=True),
    "model-deployer": Row("model_deployer", "Write `mlx deployer`, or `mlx deployment`.", is_hidden=True),
    **{name: Row("zenml_server", "There is no server here.", is_hidden=True) for name in OF_A_SERVER},
}


class Group(TakesGlobalOptions, TyperGroup):
    """A group of commands that says which one may have been meant."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        names = self.known(ctx)
        if args and not args[0].startswith("-") and args[0] not in names:
            from ..errors import UsageError, did_you_mean

            raise UsageError(
                f"no command {args[0]!r}{did_you_mean(args[0], names)}", hint=f"{ctx.command_path} --help"
            )
        return super().resolve_command(ctx, args)

    def known(self, ctx: Any) -> list[str]:
        """Return the names of the commands, those that the help hides included."""
        return self.list_commands(ctx)

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        write_help(self.help, formatter)


class App(typer.Typer):
    """A group whose commands show their examples first, unless a command brings a class of its own."""

    def command(
        self, name: str | None = None, *, cls: type[TyperCommand] | None = None, **options: Any
    ) -> Any:
        return super().command(name, cls=cls or Command, **options)


def new_app(help: str, cls: type[TyperGroup] = Group, **options: Any) -> typer.Typer:
    """Make a group: plain help, no completion flags, no rich tracebacks; Typer passes none of these down."""
    return App(
        cls=cls,
        help=help,
        add_completion=False,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        **options,
    )


class LazyGroup(Group):
    """A root group that imports one command's module when that command is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        row = COMMANDS.get(cmd_name)
        if row is None:
            return None
        if cmd_name not in self.commands:
            self.commands[cmd_name] = load(cmd_name)
        return self.commands[cmd_name]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands from the table, so that `mlx --help` imports none of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, row.help) for name, row in COMMANDS.items() if not row.is_hidden])


def root_command() -> Any:
    """Return the command that `mlx` itself is."""
    return typer.main.get_command(app)


def load(name: str) -> Any:
    """Import one command's module and return its command."""
    row = COMMANDS[name]
    command = typer.main.get_command(import_module(f".{row.module}", __package__).app)
    command.name = name
    return command


_HELP = """Stacks, secrets, tracked runs and models from one YAML file.

Examples:

  mlx init --example && mlx run pipeline.py

  mlx runs list --since 7d

  mlx tracker register team --flavor=mlflow --tracking_uri=https://...

  mlx help exit-codes
"""

app = new_app(_HELP, cls=LazyGroup)


@app.callback()
def root(
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    terminal.settings.quiet, terminal.settings.verbose, terminal.settings.debug = quiet, verbose, debug


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return the exit status; the one place where an error becomes words."""
    from .boundary import guarded
    from .options import wants_json

    terminal.settings.errors_as_json = wants_json(sys.argv[1:] if argv is None else argv)
    return guarded(lambda: app(args=argv, prog_name="mlx", standalone_mode=False))
