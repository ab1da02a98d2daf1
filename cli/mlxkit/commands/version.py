"""`mlx version`."""

from __future__ import annotations

from .._version import __version__
from ..dataclass import dataclass
from ..records import Record
from . import terminal
from .app import new_app
from .options import Output
from .terminal import Format

app = new_app("Print the version.")


@dataclass(frozen=True)
class Versions(Record):
    """What a report of a problem should say; a library that is not installed is None."""

    version: str
    python: str
    platform: str
    mlflow: str | None


@app.command("version")
def version(output: Output = Format.table) -> None:
    """Print the version; as JSON or YAML also those of Python, the platform and MLflow.

    Examples:

      mlx version

      mlx version -o yaml
    """
    if output in (Format.table, Format.name):
        terminal.out(__version__)
        return
    from ..runs.environment import capture_environment

    found = capture_environment()
    mlflow = found["distributions"].get("mlflow")
    terminal.emit_one(Versions(__version__, found["python"], found["platform"], mlflow), output)
