"""What `mlx.yaml` says, once it is known to be well formed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from ..dataclass import dataclass

VERSION = 1


@dataclass(frozen=True)
class ComponentEntry:
    """A component as the file has it: references unresolved, attributes not yet held against the flavor."""

    name: str
    kind: str
    flavor: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    line: int = 0
    attribute_lines: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class StackEntry:
    """A stack as the file has it: a component name per kind."""

    name: str
    components: Mapping[str, str] = field(default_factory=dict)
    line: int = 0


@dataclass(frozen=True)
class ProviderEntry:
    """A provider of secrets as the file has it: references unresolved, nobody asked."""

    name: str
    flavor: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    line: int = 0


@dataclass(frozen=True)
class Config:
    """A whole configuration; `components` has a (perhaps empty) map for every kind."""

    version: int
    default_stack: str | None
    components: Mapping[str, Mapping[str, ComponentEntry]]
    stacks: Mapping[str, StackEntry]
    path: Path
    shown: str = "mlx.yaml"
    secret_providers: Mapping[str, ProviderEntry] = field(default_factory=dict)

    def where(self, line: int = 0) -> str:
        """Name the file, and the line where one is known, for the start of a message."""
        return f"{self.shown}:{line}" if line else self.shown
