"""A run that goes on without us: what a cluster is asked to start, and what it says of it afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Literal, Protocol

from ..dataclass import dataclass

# `vanished` is a job that the cluster, which answers, does not know (any more).
JobStatus = Literal["pending", "running", "succeeded", "failed", "stopped", "vanished"]
OVER: tuple[JobStatus, ...] = ("succeeded", "failed", "stopped", "vanished")


@dataclass(frozen=True)
class JobFacts:
    """What a cluster is to run: a command line for its shell, in a folder with the content of a zip file.

    Everybody who reaches the cluster can read `command` and `metadata`: there is no secret in them.
    """

    job: str
    command: str
    package: Path
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class JobState:
    """How a job is, and what the cluster says about that."""

    status: JobStatus
    message: str = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes of it."""
        return self.status in OVER


class Jobs(Protocol):
    """The jobs of one cluster. Every question raises UnreachableError when nobody answers within seconds."""

    @property
    def address(self) -> str:
        """Where they are asked for, without credentials."""

    @property
    def is_here(self) -> bool:
        """Whether that is an address of this machine (which may be the end of a tunnel)."""

    @property
    def warning(self) -> str:
        """What is to be said of the way there, or nothing."""

    def check(self) -> None:
        """Ask whether the cluster answers and lets us in."""

    def submit(self, facts: JobFacts) -> None:
        """Send the package and start the job; returns before it runs."""

    def state(self, job: str) -> JobState:
        """Return how a job is."""

    def log(self, job: str) -> str:
        """Return what a job printed so far, the reports of the run among it."""

    def stop(self, job: str) -> None:
        """Ask a job to end; it is given some seconds for it, and killed then."""
