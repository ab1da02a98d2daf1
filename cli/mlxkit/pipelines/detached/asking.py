"""Following detached runs of a project: its history, its clusters and its stores brought together."""

from __future__ import annotations

from ...runs.detached.following import Follower
from ...runs.detached.place import Place
from ...runs.history import History
from ...stacks.jobs import Jobs
from ..session import Session
from ..stores import stores_of
from .places import jobs_of_place


def follower_of(session: Session, history: History) -> Follower:
    """Return what asks about detached runs; each cluster is connected to once, when it is first asked."""
    made: dict[tuple[str, str], Jobs] = {}

    def jobs_of(place: Place) -> Jobs:
        key = (place.orchestrator, place.address)
        if key not in made:
            made[key] = jobs_of_place(session, place)
        return made[key]

    return Follower(history, jobs_of, stores_of(session.project, with_shared=True))
