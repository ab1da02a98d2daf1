"""The runs of another process, as a worker that does one of its steps logs to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ...errors import ConfigError
from ...stacks.protocols import FinalStatus, StepFacts, TrackerRun
from .backend import Backend
from .connection import Connection
from .handed import HandedOver
from .run_tags import host
from .session import MlflowRunTracking
from .steps import OpenRun, StepTracking


class JoinedRunTracking(MlflowRunTracking):
    """Opens and closes steps; the run that they share belongs to the process that handed it over."""

    def __init__(
        self,
        to: Connection,
        backend: Callable[[], Backend],
        handed: HandedOver,
        on_open: Callable[[TrackerRun], None],
    ) -> None:
        super().__init__(to, backend, handed.facts, on_open, handed.started_by)
        self._handed = handed
        self._is_alone = False
        self._experiments = dict(handed.experiments)
        # MLflow's monitor of a machine counts on where one of another step may have left off.
        self._shared = {
            experiment: OpenRun(run_id, experiment, was_monitored=True)
            for experiment, run_id in handed.shared.items()
        }

    @contextmanager
    def step(self, step: StepFacts) -> Iterator[StepTracking]:
        """Point MLflow at the tracker around one attempt at a step."""
        if step.tracked:
            self._require_store()
        with super().step(step) as tracking:
            yield tracking

    def shared(self, experiment_id: str | None, experiment_name: str | None) -> OpenRun:
        """Return the run that was handed over for an experiment; where there is none, another process' or a new one."""
        self._require_store()
        return super().shared(experiment_id, experiment_name)

    def finish(self, status: FinalStatus) -> None:
        """Try again to end what belonged to steps alone; the rest is for the process that handed it over."""
        for run_id, final in list(self._not_ended.items()):
            self.end(run_id, final)

    def _require_store(self) -> None:
        """Refuse to log to a file that lies on another machine: a new one would be made here, and nobody would see it."""
        database = self._to.database
        if database is not None and self._handed.host != host() and not database.exists():
            raise ConfigError(
                f"tracker {self._to.name!r} keeps its runs in a file on {self._handed.host}, and this step runs on {host()}",
                hint="a step on another machine needs a server: mlx tracker deploy, or --tracking_uri=https://...",
            )
