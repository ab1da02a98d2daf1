"""ZenML's commands that have another name here, from one table: those that take the same words are run, others point."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import typer

from ..errors import UsageError
from . import terminal
from .app import new_app


class Word(NamedTuple):
    """A command of ZenML's: what stands in its place, and whether the words after it mean the same there."""

    mlx: str
    is_same: bool = True


MODELS_OF_A_REGISTRY = {
    "list": Word("model list"),
    "get": Word("model describe"),
    "delete": Word("model delete"),
    "list-versions": Word("model versions"),
    "get-version": Word("model describe NAME:VERSION", is_same=False),
    "delete-version": Word("model delete NAME:VERSION", is_same=False),
    "update": Word("model update NAME --description TEXT", is_same=False),
    "update-version": Word("model promote NAME:VERSION --to STAGE", is_same=False),
    "register": Word("model register NAME --run RUN", is_same=False),
    "register-version": Word("model register NAME --run RUN", is_same=False),
}
MODELS_OF_A_DEPLOYER = {
    "list": Word("deployment list"),
    "describe": Word("deployment describe"),
    "get-url": Word("deployment url"),
    "start": Word("deployment start"),
    "stop": Word("deployment stop"),
    "delete": Word("deployment delete"),
    "logs": Word("deployment logs"),
}
RUNS = {
    "list": Word("runs list"),
    "delete": Word("runs delete"),
    "refresh": Word("runs list"),
    "retry": Word("runs rerun"),
    "stop": Word("runs describe RUN, and Ctrl-C where it runs", is_same=False),
}
VERSIONS_OF_ARTIFACTS = {
    "list": Word("artifact list"),
    "describe": Word("artifact describe"),
    "update": Word("artifact describe ARTIFACT", is_same=False),
}
VERSIONS_OF_MODELS = {
    "list": Word("model versions NAME", is_same=False),
    "describe": Word("model describe NAME:VERSION", is_same=False),
    "update": Word("model promote NAME:VERSION --to STAGE", is_same=False),
    "delete": Word("model delete NAME:VERSION", is_same=False),
    "runs": Word("model lineage NAME:VERSION", is_same=False),
}
STACKS = {
    "up": Word("stack validate", is_same=False),
    "down": Word("tracker stop NAME", is_same=False),
    "deploy": Word("tracker deploy", is_same=False),
    "connect": Word("secret create NAME --KEY", is_same=False),
}
SCHEDULES = {
    name: Word("run FILE, from cron or CI", is_same=False) for name in ("list", "create", "update", "delete")
}
PIPELINES = {
    "build": Word("run FILE:PIPELINE (no image is built)", is_same=False),
    "builds": Word("run FILE:PIPELINE (no image is built)", is_same=False),
    "register": Word("run FILE:PIPELINE (the first run makes it known)", is_same=False),
}
_PASSED = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def add_words(app: typer.Typer, group: str, words: dict[str, Word], zenml: str) -> None:
    """Add a hidden group to another one, with a command for every word."""
    inner = new_app(f"ZenML's words: {', '.join(word.mlx for word in words.values() if word.is_same)}.")
    for name, word in words.items():
        add_word(inner, name, word, f"{zenml} {group} {name}")
    app.add_typer(inner, name=group, hidden=True)


def add_word(app: typer.Typer, name: str, word: Word, zenml: str) -> None:
    """Add one command that runs, or names, what stands in its place."""

    @app.command(name, context_settings=_PASSED, help=f"Write `mlx {word.mlx}`.", hidden=True)
    def run(ctx: typer.Context) -> None:
        if not word.is_same:
            raise UsageError(f"mlx has no {zenml!r}", hint=f"mlx {word.mlx}")
        terminal.say(f"this is `mlx {word.mlx}`")
        _root(*word.mlx.split(), *ctx.args)


def _root(*words: str) -> Any:
    from .app import app as root

    return root(args=list(words), prog_name="mlx", standalone_mode=False)


def add_pipeline_words(app: typer.Typer) -> None:
    """Add what ZenML has below `pipeline` and `mlx` elsewhere."""
    add_words(app, "runs", RUNS, "pipeline")
    add_words(app, "schedule", SCHEDULES, "pipeline")
    for name, word in PIPELINES.items():
        add_word(app, name, word, f"pipeline {name}")

    @app.command("run", context_settings=_PASSED, help="Write `mlx run FILE:PIPELINE`.", hidden=True)
    def run(ctx: typer.Context) -> None:
        words = [file_of(word) for word in ctx.args[:1]] + ctx.args[1:]
        terminal.say(f"this is `mlx run {' '.join(words[:1])}`")
        _root("run", *words)


def add_flavor_words(app: typer.Typer, kind: str) -> None:
    """Add what ZenML has below the group of a kind of component and `mlx` below `flavor`."""
    words = {"list": Word(f"flavor list {kind}"), "describe": Word("flavor describe")}
    add_words(app, "flavor", words, kind)


def file_of(dotted: str) -> str:
    """Return `steps/train.py:pipeline` for `steps.train.pipeline`, when that file is there, and else the word itself."""
    if Path(dotted).exists():
        return dotted
    module, _, name = dotted.rpartition(".")
    path = Path(*module.split(".")).with_suffix(".py") if module else Path()
    return f"{path}:{name}" if module and path.is_file() else dotted
