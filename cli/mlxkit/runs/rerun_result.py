"""Whether a rerun did what the run did: cache keys and outputs, step by step."""

from __future__ import annotations

from collections.abc import Sequence

from ..dataclass import dataclass
from ..pipelines.fingerprint.changes import explain
from ..records import Record
from .queries import RunQueries
from .records import StepRecord, outcome


@dataclass(frozen=True)
class RerunStep(Record):
    """One step of both runs; `why` names the parts of the cache key that differ.

    `same_outputs` is None where there is nothing to compare: a step that only one run has, or that failed.
    `before` is the status that it had then, empty where it was not there.
    """

    name: str
    status: str
    same_key: bool
    same_outputs: bool | None
    why: str
    before: str = ""

    @property
    def same_end(self) -> bool:
        """Say whether it ended as before, computed or from the cache."""
        return outcome(self.before) == outcome(self.status)

    @property
    def is_same(self) -> bool:
        """Say whether it has its cache key, outputs and end of before."""
        return self.same_key and self.same_outputs is not False and self.same_end


@dataclass(frozen=True)
class RerunResult(Record):
    """A rerun and how it compares; `steps` with those that are the same.

    `same_outputs` is false, too, when a step ended another way than before.
    """

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
        return [step for step in self.steps if not step.is_same]

    @property
    def is_same(self) -> bool:
        """Say whether every step did what it did before."""
        return self.same_keys and self.same_outputs


def compare_runs(queries: RunQueries, old: str, new: str) -> RerunResult:
    """Compare a rerun with its run, by the names of the steps."""
    run, before = queries.get(new), queries.get(old)
    olds, news = ({step.name: step for step in queries.steps(item)} for item in (old, new))
    names = dict.fromkeys([*olds, *news])
    steps = tuple(_step(name, olds.get(name), news.get(name)) for name in names)
    keys = dict.fromkeys([*before.parameters, *run.parameters])
    return RerunResult(
        run.id, run.name, old, run.status, all(step.same_key for step in steps),
        all(step.same_outputs is not False and step.same_end for step in steps), steps,
        tuple(key for key in keys if before.parameters.get(key) != run.parameters.get(key)),
    )  # fmt: skip


def _step(name: str, old: StepRecord | None, new: StepRecord | None) -> RerunStep:
    if new is None:
        return RerunStep(name, "", False, None, "it was not called", old.status if old else "")
    if old is None:
        return RerunStep(name, new.status, False, None, "it was not there before")
    is_same = old.cache_key == new.cache_key
    why = [] if is_same else ["; ".join(explain(old.parts, new.parts)) or "its cache key differs"]
    same_outputs = _same_outputs(old, new)
    if outcome(old.status) != outcome(new.status):
        ended = outcome(old.status)
        why.append(f"it {'' if ended in ('completed', 'failed') else 'was '}{ended} before")
    if is_same and same_outputs is False:
        why.append("another output: chance, or something that it reads from outside")
    return RerunStep(name, new.status, is_same, same_outputs, "; ".join(why), old.status)


def _same_outputs(old: StepRecord, new: StepRecord) -> bool | None:
    if not old.outputs or not new.outputs:
        return None
    return _digests(old) == _digests(new)


def _digests(step: StepRecord) -> Sequence[tuple[str, str]]:
    return [(output.name, output.digest) for output in step.outputs]
