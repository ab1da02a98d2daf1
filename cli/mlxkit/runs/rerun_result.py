"""Whether a rerun did what the run did: cache keys and outputs, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..pipelines.fingerprint.changes import explain
from ..records import Record
from .queries import RunQueries
from .records import StepRecord


@dataclass(frozen=True)
class RerunStep(Record):
    """One step of both runs; `why` names the parts of the cache key that differ.

    `same_outputs` is None where there is nothing to compare: a step that only one run has, or that failed.
    """

    name: str
    status: str
    same_key: bool
    same_outputs: bool | None
    why: str


@dataclass(frozen=True)
class RerunResult(Record):
    """A rerun and how it compares; `steps` with those that are the same."""

    run: str
    name: str
    rerun_of: str
    status: str
    same_keys: bool
    same_outputs: bool
    steps: tuple[RerunStep, ...]
    parameters: tuple[str, ...] = ()

    def different(self) -> list[RerunStep]:
        """Return the steps that are not as they were."""
        return [step for step in self.steps if not step.same_key or step.same_outputs is False]


def compare_runs(queries: RunQueries, old: str, new: str) -> RerunResult:
    """Compare a rerun with its run, by the names of the steps."""
    run, before = queries.get(new), queries.get(old)
    olds, news = ({step.name: step for step in queries.steps(item)} for item in (old, new))
    names = dict.fromkeys([*olds, *news])
    steps = tuple(_step(name, olds.get(name), news.get(name)) for name in names)
    keys = dict.fromkeys([*before.parameters, *run.parameters])
    return RerunResult(
        run.id, run.name, old, run.status, all(step.same_key for step in steps),
        all(step.same_outputs is not False for step in steps), steps,
        tuple(key for key in keys if before.parameters.get(key) != run.parameters.get(key)),
    )  # fmt: skip


def _step(name: str, old: StepRecord | None, new: StepRecord | None) -> RerunStep:
    if old is None or new is None:
        return RerunStep(
            name,
            new.status if new else "",
            False,
            None,
            "it was not there before" if new else "it was not called",
        )
    is_same = old.cache_key == new.cache_key
    why = "" if is_same else "; ".join(explain(old.parts, new.parts)) or "its cache key differs"
    if old.status != new.status and "failed" in (old.status, new.status):
        why = "; ".join(filter(None, (why, f"it {_word(old.status)} before")))
    same_outputs = _same_outputs(old, new)
    if is_same and same_outputs is False:
        why = "; ".join(
            filter(None, (why, "another output: chance, or something that it reads from outside"))
        )
    return RerunStep(name, new.status, is_same, same_outputs, why)


def _word(status: str) -> str:
    return {"failed": "failed", "cached": "was cached"}.get(status, "completed")


def _same_outputs(old: StepRecord, new: StepRecord) -> bool | None:
    if not old.outputs or not new.outputs:
        return None
    return _digests(old) == _digests(new)


def _digests(step: StepRecord) -> Sequence[tuple[str, str]]:
    return [(output.name, output.digest) for output in step.outputs]
