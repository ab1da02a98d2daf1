"""What the steps of a run are given to: the executor that the stack's orchestrator makes, and the history."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from ..runs.history import History
from ..runs.queries import RunQueries
from ..runs.records import RunRecord, StepRecord
from ..stacks.executors import Executor, ExecutorFacts
from .session import Session


def executor_of(session: Session, run: RunRecord | None, root: Path) -> Executor:
    """Return the executor of a run, or of none yet for a dry run; nothing is started before the first step."""
    facts = ExecutorFacts(
        run_id=run.id if run else "", run_name=run.name if run else "", root=root, workers=session.options.workers,
        paths=tuple(sys.path), file=session.options.file, say=session.reporter.detail,
    )  # fmt: skip
    return session.orchestrator.executor(facts)


class HistoryLog:
    """Keeps steps in the history of this project."""

    def __init__(self, history: History) -> None:
        self._history = history
        self.keep = history.record_step
        self.complete = history.complete_step

    def earlier(self, step: StepRecord) -> Sequence[StepRecord]:
        """Return all steps of the run that are recorded."""
        return RunQueries(self._history).steps(step.run_id)
