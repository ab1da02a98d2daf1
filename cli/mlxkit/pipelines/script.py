"""A plain script as one tracked run."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from ..runs.records import TRACKER_NAME, StepRecord
from ..stacks.protocols import StepFacts
from .body import new_id
from .scope import RunScope
from .session import Session


def run_script(session: Session, name: str, execute: Callable[[], Any]) -> None:
    """Execute a script inside one run, with the tracker's run active around it.

    Pipelines that the script calls after all (through a module of its own) are runs of their own.
    """
    if session.options.is_dry:
        session.reporter.detail(f"{name} has no pipeline: it would run as one tracked script")
        return
    tracker = session.forced_tracker or session.stack_tracker
    session.check([tracker] if tracker else [])
    scope = RunScope(session, name, parameters={}, name=session.options.name, kind="script")
    record = StepRecord(
        id=new_id(),
        run_id=scope.record.id,
        name=name,
        position=0,
        status="failed",
        started=time.time(),
        ended=0.0,
    )
    with scope:
        tracked: Any = None
        scope.output.begin_step(name, 0)
        status, error = "failed", ""
        try:
            with (
                scope.tracking(tracker).step(StepFacts(name, record.id))
                if tracker
                else nullcontext() as tracked
            ):
                execute()
            status = "completed"
        except SystemExit as stop:
            status = "completed" if stop.code in (None, 0) else "failed"
            error = "" if status == "completed" else f"sys.exit({stop.code!r})"
            raise
        except BaseException as problem:
            status = "failed" if isinstance(problem, Exception) else "killed"
            error = type(problem).__name__
            raise
        finally:
            metadata = {**tracked.metadata(), TRACKER_NAME: tracker} if tracked is not None else {}
            scope.records.append(_ended(record, status, error, metadata))
            session.history.record_step(scope.records[-1])


def _ended(record: StepRecord, status: str, error: str, metadata: dict[str, Any]) -> StepRecord:
    from dataclasses import replace

    return replace(record, status=status, ended=time.time(), error=error, metadata=metadata)
