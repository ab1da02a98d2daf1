"""What runs the steps of a run: made by the stack's orchestrator, told what the run is."""

from __future__ import annotations

import sys
from pathlib import Path

from ..runs.records import RunRecord
from ..stacks.executors import Executor, ExecutorFacts
from .session import Session


def executor_of(session: Session, run: RunRecord | None, root: Path) -> Executor:
    """Return the executor of a run, or of none yet for a dry run; nothing is started before the first step."""
    facts = ExecutorFacts(
        run_id=run.id if run else "", run_name=run.name if run else "", root=root, workers=session.options.workers,
        paths=tuple(sys.path), file=session.options.file, say=session.reporter.detail,
    )  # fmt: skip
    return session.orchestrator.executor(facts)
