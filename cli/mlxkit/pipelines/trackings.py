"""One run on the trackers that its steps use: each opened when it is first asked for, all closed as the run ended."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from .._version import __version__
from ..dataclass import dataclass
from ..runs.records import RunRecord, StepRecord
from ..secrets.masking import mask_text
from ..stacks.protocols import FinalStatus, RunFacts, RunTracking, TrackerRun
from ..stacks.tags import CODE_DIGEST, COMMIT, ENGINE, RERUN_OF, TAGS, WORKERS
from .attaching import attach_graph
from .invocation import RERUN_OF as REPEATED
from .masked import masked
from .session import Session

_LONGEST = 5_000  # characters of a tag's value that every server takes


@dataclass
class Ended:
    """What the trackers said at the end; `all_closed` is false when one has to be closed by a later command."""

    metrics: dict[str, float] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    all_closed: bool = True


class Trackings:
    """The trackers of one run by name."""

    def __init__(self, session: Session, record: RunRecord, parameters: Mapping[str, Any]) -> None:
        self._session = session
        self._record = record
        self._parameters = parameters
        self._open: dict[str, RunTracking] = {}
        self._sent: dict[str, str] = {}

    def on(self, tracker: str) -> RunTracking:
        """Return the run on a tracker, opened when it is first asked for."""
        if tracker not in self._open:
            self._open[tracker] = self._session.tracker(tracker).open(self._facts(), self._remember)
        return self._open[tracker]

    def end(self, ending: RunRecord, steps: Sequence[StepRecord], status: FinalStatus) -> Ended:
        """Attach the page of the run, ask what was measured, and close every tracker; none of it fails the run."""
        ended, say = Ended(), self._session.reporter.detail
        if self._open:
            attach_graph(ending, steps, self._open, self._session.state_dir, say)
            self._warn_of_what_was_sent()
        for name, tracking in self._open.items():
            try:
                metrics, params = tracking.measured()
                ended.metrics.update(metrics)
                ended.params.update(params)
            except Exception as problem:
                say(mask_text(f"tracker {name!r} did not say what was measured: {problem}"))
            try:
                tracking.finish(status)
            except Exception as problem:
                ended.all_closed = False
                say(
                    mask_text(
                        f"tracker {name!r} could not be closed: {problem}; the next command tries again"
                    )
                )
        return ended

    def _warn_of_what_was_sent(self) -> None:
        """Name what a tracker was given before it was known as a secret: nobody can take it back."""
        sent = [what for what, text in self._sent.items() if mask_text(text) != text]
        if sent:
            self._session.reporter.warned(
                f"what was logged to {', '.join(self._open)} turned out to be a secret: {', '.join(sent)}; "
                "delete that run there, and read the secret before the first step"
            )

    def _engine(self) -> dict[str, Any]:
        """Return what runs the steps, and how many workers it was given."""
        engine = self._session.stack.components.get("orchestrator")
        if engine is None:
            return {}
        workers = self._session.options.workers or engine.attributes.get("workers")
        return {ENGINE: engine.flavor, WORKERS: workers}

    def _remember(self, run: TrackerRun) -> None:
        self._session.history.add_tracker_run(self._record.id, run)

    def _facts(self) -> RunFacts:
        record = self._record
        tags = {
            "mlx.version": __version__,
            COMMIT: record.code.get("commit"),
            CODE_DIGEST: record.code.get("digest"),
            RERUN_OF: record.metadata.get(REPEATED),
            TAGS: _listed(masked(record.tags)),
            **self._engine(),
        }
        parameters = {name: str(value) for name, value in masked(self._parameters).items()}
        run_name = str(masked(record.name))
        given = {f"parameter {name}": text for name, text in parameters.items()}
        self._sent = {**given, "the run's name": run_name, **self._sent}
        return RunFacts(
            run_id=record.id, run_name=run_name, pipeline=record.pipeline, stack=record.stack, kind=record.kind,
            parameters=parameters,
            tags={key: str(value) for key, value in tags.items() if value},
        )  # fmt: skip


def _listed(tags: Sequence[str]) -> str:
    """Return tags as a JSON list, as many as a tag of the tracker holds."""
    kept = list(tags)
    while len(text := json.dumps(kept, ensure_ascii=False)) > _LONGEST:
        kept.pop()
    return text if kept else ""
