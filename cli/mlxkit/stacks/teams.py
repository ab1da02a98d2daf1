"""What a tracker is asked about everybody's runs: conditions and an order, in words that are no tracker's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, Protocol

from ..dataclass import dataclass
from .protocols import ExperimentTracker
from .registries import TrackedRun

Subject = Literal["tag", "attribute", "metric", "param"]


@dataclass(frozen=True)
class Asked:
    """One condition: `operator` is = != < <= > >=, `like` (with % and _, whatever the case) or `has` (any value).

    Attributes are the tracker's `id` of a run, `status` in our words, and `started` and `ended` in seconds since the epoch. A tracker may answer
    with more runs than those of which it is true, never with fewer: who asks looks again.
    """

    subject: Subject
    key: str
    operator: str = "has"
    value: Any = None


@dataclass(frozen=True)
class TeamQuestion:
    """Which runs are wanted, in which order (runs without the value last), how many a page.

    Without children there is one run for each experiment that the steps of a run logged to.
    """

    conditions: Sequence[Asked] = ()
    order: Asked = Asked("attribute", "started")
    is_falling: bool = True
    page: int = 100
    with_children: bool = False


class TrackerOfTeam(ExperimentTracker, Protocol):
    """A tracker that knows the runs of everybody who logs to it."""

    def team_runs(self, question: TeamQuestion) -> Iterator[TrackedRun]:
        """Return the runs that fit, of all experiments that the user may see, read page by page as they are taken.

        Only runs of ours; statuses are ours, too. Raises when the tracker does not answer
        within seconds.
        """
