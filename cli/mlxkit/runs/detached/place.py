"""Where a detached run goes on, as its record says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...dataclass import dataclass
from ...records import Record
from ..history import History
from ..records import RunRecord

KEY = "detached"  # in a run's metadata
_FIELDS = ("run", "job", "address", "orchestrator", "stack", "is_here")


@dataclass(frozen=True)
class Place(Record):
    """Where a detached run goes on: the job, and whom to ask about it. No credential is in it.

    `run` is the run that was submitted; its file may make others, which are of the same job. `is_here` says that the
    job works in the state folder of this project, so that what it writes need not be fetched.
    """

    run: str
    job: str
    address: str
    orchestrator: str
    stack: str
    is_here: bool

    @classmethod
    def of(cls, run: RunRecord) -> Place | None:
        """Return where a run goes, or went, on; None for one that was not detached."""
        return cls.from_metadata(run.metadata)

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> Place | None:
        """Read what `noted` wrote."""
        told = metadata.get(KEY)
        if not isinstance(told, Mapping) or any(
            not isinstance(told.get(name), bool if name == "is_here" else str) for name in _FIELDS
        ):
            return None
        return cls(**{name: told[name] for name in _FIELDS})

    def noted(self) -> dict[str, Any]:
        """Return what a run's metadata says."""
        return {KEY: {name: getattr(self, name) for name in _FIELDS}}


def detached_running(history: History) -> list[RunRecord]:
    """Return the detached runs that have no end yet, as far as is known here."""
    from ..queries import RunQueries

    queries = RunQueries(history)
    return [queries.get(run_id) for run_id in sorted(detached_ids(history))]


def detached_ids(history: History) -> set[str]:
    """Return the ids of those: no process of this machine need hold their lock."""
    return {
        row["id"]
        for row in history.connection.execute(
            f"SELECT id FROM runs WHERE status = 'running' AND json_extract(metadata, '$.{KEY}.job') IS NOT NULL"
        )
    }
