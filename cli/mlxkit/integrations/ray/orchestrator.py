"""The orchestrator flavor `ray`: steps on a Ray cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...stacks.executors import Executor, ExecutorFacts
from ...stacks.resolve import ResolvedComponent
from .settings import settings_of

if TYPE_CHECKING:
    from ...stacks.jobs import Jobs
    from .check import RayCheck


class RayOrchestrator:
    """Gives steps to Ray; Ray is imported with the first of them."""

    def __init__(self, component: ResolvedComponent, state_dir: Path) -> None:
        self.settings = settings_of(component)
        self._state_dir = state_dir

    def executor(self, facts: ExecutorFacts) -> Executor:
        """Return the executor of one run."""
        from .executor import RayExecutor

        return RayExecutor(self.settings, facts)

    def check(self) -> RayCheck:
        """Connect to the cluster and tell what it is; raises what keeps steps from running there."""
        from .check import check

        return check(self.settings, self._state_dir.parent)

    def jobs(self, address: str | None = None) -> Jobs:
        """Return the jobs of the cluster, which its dashboard takes; raises ConfigError where no cluster stands."""
        from .jobs import RayJobs

        return RayJobs.of(self.settings, self._state_dir.parent, address)
