"""The orchestrator flavor `local`: steps run on this machine, in the process that was started or in several of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ...errors import ConfigError
from ...stacks.executors import Executor, ExecutorFacts
from ...stacks.resolve import ResolvedComponent
from .sequential import SequentialExecutor


class LocalOrchestrator:
    """Runs steps one after the other, or in as many processes as it is told."""

    def __init__(self, component: ResolvedComponent, state_dir: Path) -> None:
        self.name = component.name
        self._attributes = component.attributes

    def executor(self, facts: ExecutorFacts) -> Executor:
        """Return the executor of one run: workers where they are asked for, by the run or else by the component."""
        asked = facts.workers or self._attributes.get("workers")
        if asked in (None, ""):
            return SequentialExecutor()
        from .machine import usable_cpus, visible_gpus
        from .workers.executor import WorkersExecutor

        if sys.platform == "win32":
            raise ConfigError("workers need processes and sockets as POSIX has them", hint="wsl --install")
        workers = self._number("workers", asked, least=1) or usable_cpus()
        gpus = visible_gpus()
        wanted = self._number("gpus", self._attributes.get("gpus", "auto"), least=0)
        if wanted is not None:
            gpus = [*gpus, *(str(number) for number in range(len(gpus), wanted))][:wanted]
        return WorkersExecutor(facts, workers, gpus)

    def _number(self, name: str, text: Any, *, least: int) -> int | None:
        """Return what an attribute says, None for `auto`."""
        if text == "auto":
            return None
        try:
            number = int(text)
        except (TypeError, ValueError):
            number = -1
        if number < least:
            raise ConfigError(f"{self.name}: {name} is {text!r}; it can be a number from {least}, or auto")
        return number
