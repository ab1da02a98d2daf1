"""The orchestrator flavor `local`: each step runs where it is called, in the process that was started."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ...stacks.resolve import ResolvedComponent

T = TypeVar("T")


class LocalOrchestrator:
    """Runs steps one after the other; nothing is queued, so there is nothing to end."""

    def __init__(self, component: ResolvedComponent, state_dir: Path) -> None:
        self.name = component.name

    def execute(self, step: Callable[[], T]) -> T:
        """Run a step now and return its record."""
        return step()
