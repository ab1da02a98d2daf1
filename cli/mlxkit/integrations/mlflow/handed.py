"""What another process needs to log to the runs of this one: plain facts, no connection and no credentials."""

from __future__ import annotations

from collections.abc import Mapping

from ...dataclass import dataclass
from ...stacks.protocols import RunFacts


@dataclass(frozen=True)
class HandedOver:
    """A pipeline run as its steps see it elsewhere.

    `shared` has the run that steps share by experiment, `experiments` ids by name, `started_by` the tags of the
    process that the run belongs to, and `host` the machine of that.
    """

    facts: RunFacts
    shared: Mapping[str, str]
    experiments: Mapping[str, str]
    started_by: Mapping[str, str]
    host: str
