"""`mlx init`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ..config.files import write_atomic
from ..config.paths import CONFIG_NAME, Project, named_project, project_at, working_folder
from ..config.writer import create
from . import terminal
from .app import new_app

app = new_app("Write a commented mlx.yaml here, with --example also a pipeline.")

_EXAMPLE = "pipeline.py"


@app.command("init")
def init(
    example: Annotated[
        bool, typer.Option("--example", help=f"Also write {_EXAMPLE}, which trains a model.")
    ] = False,
) -> None:
    """Write a commented mlx.yaml here.

    Examples:

      mlx init

      mlx init --example && mlx run pipeline.py
    """
    project = _project_here()
    pipeline = working_folder() / _EXAMPLE
    if example and os.path.lexists(project.config_path):
        terminal.say(f"{project.shown} is already here and stays as it is")
    else:
        create(project, _template("mlx.yaml.txt"))
        terminal.say(f"wrote {project.shown}")
    if example and os.path.lexists(pipeline):
        terminal.say(f"{_EXAMPLE} is already here and stays as it is")
    elif example:
        write_atomic(pipeline, _template("pipeline.py.txt"), mode=0o644)
        terminal.say(f"wrote {_EXAMPLE}; next: mlx run {_EXAMPLE}")


def _project_here() -> Project:
    """The project of this folder, whatever is further up; MLX_CONFIG names another place."""
    return named_project() or project_at(working_folder() / CONFIG_NAME)


def _template(name: str) -> bytes:
    return Path(__file__).with_name("templates").joinpath(name).read_bytes()
