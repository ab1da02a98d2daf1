"""What `mlx run` does differently when it is the job of a detached run; costs nothing when it is not."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..pipelines.detached.job import Claim
    from ..pipelines.session import Session


def claimed_job() -> Claim | None:
    """Return which run this job is of; None in a run that somebody started by hand."""
    if not os.environ.get("MLX_JOB"):
        return None
    from ..pipelines.detached.job import claimed

    return claimed()


def as_job(session: Session, claim: Claim | None) -> AbstractContextManager[None]:
    """Tell whoever submitted the run of what becomes of it."""
    if claim is None:
        return nullcontext()
    from ..pipelines.detached.job import told_of

    return told_of(session, claim)
