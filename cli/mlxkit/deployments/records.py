"""What is said of a deployment: what was asked, what is served, and why the two differ."""

from __future__ import annotations

from dataclasses import replace

from ..dataclass import dataclass
from ..records import Record
from ..stacks.deployers import State


@dataclass(frozen=True)
class DeploymentRecord(Record):
    """A deployment as commands show it.

    `reference` is the model as it was asked for; `follows` says of one that can move (an alias, the newest version)
    whether it is `current`, has `moved` to version `alias_now`, or `unknown` because the registry did not answer.
    `notes` are what its owner should know about what was just done.
    """

    name: str
    model: str
    version: int | None
    reference: str
    alias_now: int | None = None
    follows: str = ""
    state: State = "stopped"
    url: str = ""
    prediction_url: str = ""
    host: str = ""
    port: int | None = None
    pid: int | None = None
    workers: int = 1
    max_body: int = 0
    started: str = ""
    reason: str = ""
    token: str | None = None
    stack: str = ""
    pipeline: str = ""
    run: str = ""
    step: str = ""
    created: str = ""
    log: str = ""
    notes: tuple[str, ...] = ()

    def noted(self, *notes: str) -> DeploymentRecord:
        """Return the record with more to tell."""
        return replace(self, notes=(*self.notes, *notes))
