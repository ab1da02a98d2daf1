"""What `mlx tracker` can do beyond what every component can."""

from __future__ import annotations

import typer


def add_verbs(app: typer.Typer) -> None:
    """Add the tracker's own commands to its group."""
