"""The pages of the manual by the name that `mlx help` knows them under."""

from __future__ import annotations

from ..config.kinds import KINDS
from .records import CommandEntry

# Pages that are about no command: topic -> what it is about.
GENERAL = {
    "mlx": "The command itself, with a list of all others.",
    "mlx.yaml": "The configuration file: stacks, components, and their attributes.",
    "component": "What the commands for all kinds of component have in common.",
    "json": "What -o json prints.",
    "exit-codes": "What the exit status says.",
    "environment": "Variables that mlx listens to.",
    "files": "Where mlx keeps what.",
}


def topics(root: CommandEntry) -> dict[str, str]:
    """Return every topic with what it is about."""
    return {**{child.path[0]: child.summary for child in root.visible}, **GENERAL}


def is_kind(name: str) -> bool:
    """Say whether a command is that of a kind of component."""
    return any(kind.command == name for kind in KINDS.values())
