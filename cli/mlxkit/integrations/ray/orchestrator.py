"""The orchestrator flavor `ray`: steps on a Ray cluster."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import UsageError
from ...stacks.executors import Executor, ExecutorFacts
from ...stacks.resolve import ResolvedComponent
from .engine import need_ray
from .listening import check_listens
from .settings import RaySettings, settings_of

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

        return RayExecutor(self._with_workers(facts.workers), facts)

    def preflight(self) -> None:
        """Check within two seconds that something answers where the cluster should be; one of the run's own is not there yet."""
        need_ray()
        if self.settings.endpoint is not None:
            check_listens(self.settings, self.settings.endpoint)
        elif self.settings.address is not None:
            from .cluster import cluster_here

            check_listens(self.settings, cluster_here(self.settings))

    def check(self) -> RayCheck:
        """Connect to the cluster and tell what it is; raises what keeps steps from running there."""
        from .check import check

        return check(self.settings, self._state_dir.parent)

    def jobs(self, address: str | None = None) -> Jobs:
        """Return the jobs of the cluster, which its dashboard takes; raises ConfigError where no cluster stands."""
        from .jobs import RayJobs

        return RayJobs.of(self.settings, self._state_dir.parent, address)

    def _with_workers(self, asked: str | None) -> RaySettings:
        """Return the settings with as many workers as a run asks for, which a cluster that stands does not let it."""
        if asked in (None, "", "auto"):
            return self.settings
        if self.settings.address is not None:
            raise UsageError(
                f"{self.settings.shown} has the workers that its nodes have room for: leave --workers out",
                hint=f"mlx orchestrator test {self.settings.name}",
            )
        try:
            return replace(self.settings, cpus=max(1, int(str(asked))))
        except ValueError:
            raise UsageError(f"--workers is {asked!r}; it can be a number from 1, or auto") from None
