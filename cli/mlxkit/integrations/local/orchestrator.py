"""The orchestrator flavor `local`: each step runs where it is called, in the process that was started."""

from __future__ import annotations

from pathlib import Path

from ...stacks.executors import Executor, ExecutorFacts
from ...stacks.resolve import ResolvedComponent
from .sequential import SequentialExecutor


class LocalOrchestrator:
    """Runs steps one after the other, or in as many processes as it is told."""

    def __init__(self, component: ResolvedComponent, state_dir: Path) -> None:
        self.name = component.name

    def executor(self, facts: ExecutorFacts) -> Executor:
        """Return the executor of one run."""
        return SequentialExecutor()
