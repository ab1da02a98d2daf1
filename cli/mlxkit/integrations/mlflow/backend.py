"""What we ask of MLflow ourselves, beside what user code asks: a handful of calls, on three kinds of store."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from ...errors import ConfigError, MlxError
from ...stacks.protocols import FinalStatus, Measured
from ...stacks.tags import RUN_ID
from .connection import Connection

MAX_KEY, MAX_PARAM, MAX_TAG, MAX_BATCH, MAX_FOUND = 250, 6_000, 5_000, 100, 1_000
_STATUS = {"completed": "FINISHED", "failed": "FAILED", "killed": "KILLED"}


class Backend(Protocol):
    """A store of runs; ids are MLflow's own, statuses ours."""

    def experiment(self, name: str) -> str:
        """Return the id of an experiment, made when it does not exist."""

    def create_run(self, experiment_id: str, name: str, tags: Mapping[str, str]) -> str:
        """Start a run and return its id."""

    def log(
        self, run_id: str, *, params: Mapping[str, str] | None = None, tags: Mapping[str, str] | None = None
    ) -> None:
        """Write params and tags in one batch."""

    def attach(self, run_id: str, name: str, content: bytes) -> None:
        """Put a small file among the artifacts of a run."""

    def rename(self, run_id: str, name: str) -> None:
        """Give a run another name."""

    def end(self, run_id: str, status: str) -> None:
        """Set the final status of a run."""

    def discard(self, run_id: str) -> None:
        """End a run that nothing was written to, and put it into the waste basket if the store lets us."""

    def tagged(
        self, experiment_ids: Sequence[str], tags: Mapping[str, str], *, is_running: bool = False
    ) -> Iterable[tuple[str, Mapping[str, str]]]:
        """Return the runs of experiments with all of these tags, and all tags of each, the oldest first."""

    def is_running(self, run_id: str) -> bool:
        """Say whether a run has no end yet; one that is gone has."""

    def close_orphan(self, run_id: str, status: str) -> None:
        """End a run of a vanished process; one that was deleted meanwhile is well closed."""

    def measures(self, run_ids: Sequence[str]) -> Mapping[str, Measured]:
        """Return final metrics and params of runs, those that are gone left out; a server is asked at most once a run."""

    def find(self, run: str) -> tuple[str, str] | None:
        """Return experiment and run id for an MLflow run id, or for the id of one of our runs."""


def mlflow_status(status: str) -> str:
    """Return MLflow's word for a final status of ours."""
    return _STATUS[status]


def status_of(error: BaseException) -> FinalStatus:
    """Return how something ended that an exception went through."""
    if isinstance(error, SystemExit):
        return "completed" if error.code in (None, 0) else "failed"
    return "failed" if isinstance(error, Exception) else "killed"


def of_our_run(run_id: str) -> str | None:
    """Return MLflow's filter for the runs that carry our run's id, or None for what is no id of ours."""
    return f"tags.\"{RUN_ID}\" = '{run_id}'" if re.fullmatch(r"[\w\-]+", run_id) else None


def filter_of(tags: Mapping[str, str], *, is_running: bool) -> str:
    """Return MLflow's filter for the runs with all of these tags."""
    wanted = [f"tags.\"{key}\" = '{value}'" for key, value in tags.items() if "'" not in value]
    return " and ".join([*wanted, *(["attributes.status = 'RUNNING'"] if is_running else [])])


def now_ms() -> int:
    """Return the time as MLflow writes it."""
    return int(time.time() * 1000)


def cut(pairs: Mapping[str, str] | None, longest: int) -> list[tuple[str, str]]:
    """Return pairs no longer than MLflow takes them."""
    return [(key[:MAX_KEY], value[:longest]) for key, value in (pairs or {}).items()]


def deleted_experiment(to: Connection, name: str) -> MlxError:
    """Return the error for an experiment in MLflow's waste basket, which still owns its name."""
    return ConfigError(
        f"experiment {name!r} on tracker {to.name!r} was deleted: restore it in MLflow, or log to another one",
        hint=f"mlx tracker update {to.name} --experiment_name=...",
    )
