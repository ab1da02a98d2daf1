"""Two or more runs side by side: how they ended, parameters, metrics, code, data, environment, time."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..dataclass import dataclass
from ..errors import MlxError, UsageError
from ..records import Record, plain
from ..secrets.masking import mask_text
from ..stacks.protocols import CurvePoint
from .ancestry import input_digests
from .compare_code import code_of, files_of, parts_of
from .direction import best_of, direction_of
from .environment import flat
from .queries import RunQueries
from .records import RunRecord, StepRecord, outcome

if TYPE_CHECKING:
    from ..stacks.protocols import TrackerHistory

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
KINDS = ("run", "param", "logged param", "metric", "code", "file", "step", "data", "environment", "duration")
_SHOWN = 16  # characters of a digest
Trackers = Callable[[str], "TrackerHistory"]


@dataclass(frozen=True)
class ComparedRun(Record):
    """One of the runs; `letter` is what it is called in the table and in charts."""

    letter: str
    id: str
    name: str
    pipeline: str
    status: str
    stack: str
    started: str | None
    duration: float | None


@dataclass(frozen=True)
class ComparedRow(Record):
    """One thing that runs can differ in; `values` are in the order of the runs, None where one has none.

    `best` are the letters of the runs with the best value of a metric.
    """

    kind: str
    name: str
    values: tuple[Any, ...]
    differs: bool
    best: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison(Record):
    """Runs and everything that was compared; `curves` by metric and the letter of the run, as [step, value].

    `notes` say what could not be compared or judged, and why.
    """

    runs: tuple[ComparedRun, ...]
    rows: tuple[ComparedRow, ...]
    curves: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def different(self) -> Comparison:
        """Return only the rows that differ; how long each step took always does, and only the whole run's time stays."""
        kept = (row for row in self.rows if row.differs and (row.kind != "duration" or row.name == "run"))
        return replace(self, rows=tuple(kept))

    @property
    def is_same(self) -> bool:
        """Say whether nothing but the time differs, curves included where they were read."""
        return not self.other_curves and not any(row.differs for row in self.rows if row.kind != "duration")

    @property
    def other_curves(self) -> list[str]:
        """Return the metrics that went another way in some run, wherever they ended."""
        letters = [run.letter for run in self.runs]
        return [
            name
            for name, found in self.curves.items()
            if len({_exactly(found.get(letter)) for letter in letters}) > 1
        ]

    def table(self) -> list[TableRow]:
        """Return the rows with a column for every run."""
        return [TableRow(row, [run.letter for run in self.runs]) for row in self.rows]


class TableRow:
    """A compared row as a table shows it: the best value carries a star."""

    def __init__(self, row: ComparedRow, letters: Sequence[str]) -> None:
        self._row, self._letters = row, letters

    def to_dict(self) -> dict[str, Any]:
        """Return kind, name, and the value of each run under its letter."""
        pairs = zip(self._letters, plain(self._row.values), strict=True)
        values = {
            letter: f"{_text(value)} *" if letter in self._row.best else value for letter, value in pairs
        }
        return {"kind": self._row.kind, "name": self._row.name, **values}


def compare(
    queries: RunQueries, references: Sequence[str], *, state_dir: Path, trackers: Trackers, lower: Sequence[str] = (),
    higher: Sequence[str] = (), with_curves: bool = False,
) -> Comparison:  # fmt: skip
    """Compare runs; raises NotFoundError for one that is none, UsageError for fewer than two.

    `trackers` gives a tracker by its name. It is asked for curves, and for the metrics of runs that history has none of.
    """
    runs = list({run.id: run for run in map(queries.get, references)}.values())
    if len(runs) < 2:
        raise UsageError("two different runs are needed to compare", hint="mlx runs compare RUN RUN")
    if len(runs) > len(LETTERS):
        raise UsageError(f"{len(runs)} runs are too many to compare: {len(LETTERS)} at most")
    steps = [{step.name: step for step in queries.steps(run.id)} for run in runs]
    notes: list[str] = []
    measured = [_measured(queries, run, trackers, notes) for run in runs]
    files, said = files_of(runs, state_dir)
    sections: dict[str, Sequence[Mapping[str, Any]]] = {
        "run": [_outcomes(run, item) for run, item in zip(runs, steps, strict=True)],
        "param": [run.parameters for run in runs],
        "logged param": [_beside(params, run) for (_, params), run in zip(measured, runs, strict=True)],
        "metric": [metrics for metrics, _ in measured],
        "code": [code_of(run) for run in runs],
        "file": files,
        "step": parts_of(steps),
        "data": [_data(item) for item in steps],
        "environment": [flat(queries.environment(run)) for run in runs],
        "duration": [_durations(run, item) for run, item in zip(runs, steps, strict=True)],
    }
    rows = [row for kind in KINDS for row in _rows(kind, sections[kind])]
    rows, unjudged = _judged(rows, lower, higher)
    curves = _curves(queries, runs, trackers, notes) if with_curves else {}
    notes += [said] if said else []
    if not with_curves and any(metrics for metrics, _ in measured) and Comparison((), tuple(rows)).is_same:
        notes.append("only the final values of metrics were compared: --curves compares how they went, too")
    if unjudged:
        notes.append(f"no best value is marked of {', '.join(unjudged)}: say --lower NAME or --higher NAME")
    heads = (
        ComparedRun(
            letter,
            run.id,
            run.name,
            run.pipeline,
            run.status,
            run.stack,
            run.to_dict()["started"],
            run.duration,
        )
        for letter, run in zip(LETTERS, runs, strict=False)
    )
    return Comparison(tuple(heads), tuple(rows), curves, tuple(dict.fromkeys(notes)))


def _rows(kind: str, values: Sequence[Mapping[str, Any]]) -> list[ComparedRow]:
    names = dict.fromkeys(name for item in values for name in item)
    rows = []
    for name in sorted(names) if kind not in ("run", "duration") else names:
        found = tuple(plain(item.get(name)) for item in values)
        told = {_exactly(outcome(str(value)) if kind == "run" else value) for value in found}
        rows.append(ComparedRow(kind, name, found, len(told) > 1))
    return rows


def _exactly(value: Any) -> str:
    """Return a text that is the same for the same value only: 1, 1.0 and True are three, nan is one."""
    return json.dumps(plain(value), sort_keys=True)


def _outcomes(run: RunRecord, steps: Mapping[str, StepRecord]) -> dict[str, str]:
    """Return how a run ended, and each of its steps; of an error a line, and what a failed step raised."""
    raised = [step.error.strip().splitlines()[-1] for step in steps.values() if step.error.strip()]
    error = ": ".join([*run.error.strip().splitlines()[:1], *raised[:1]])
    found = {"status": run.status, "stack": run.stack, "error": error}
    of_steps = {f"step {name}": step.status for name, step in steps.items()}
    return {**{name: text for name, text in found.items() if text}, **of_steps}


def _judged(
    rows: Sequence[ComparedRow], lower: Sequence[str], higher: Sequence[str]
) -> tuple[list[ComparedRow], list[str]]:
    """Mark the best values; returns the names of the metrics that nothing says it of, too."""
    metrics = {row.name for row in rows if row.kind == "metric"}
    for name in (*lower, *higher):
        if name not in metrics:
            from ..errors import did_you_mean

            raise UsageError(f"no metric {name!r} in these runs{did_you_mean(name, metrics)}")
    judged, unjudged = [], []
    for row in rows:
        if row.kind == "metric" and row.differs:
            direction = direction_of(row.name, lower=lower, higher=higher)
            values = [None if value is None else float(value) for value in row.values]
            if direction is None and len({value for value in values if value is not None}) > 1:
                unjudged.append(row.name)
            row = replace(row, best=tuple(LETTERS[index] for index in best_of(values, direction)))
        judged.append(row)
    return judged, unjudged


def _measured(
    queries: RunQueries, run: RunRecord, trackers: Trackers, notes: list[str]
) -> tuple[Mapping[str, float], Mapping[str, str]]:
    """Return metrics and params as history has them, else, for a run of before that was kept, as its tracker has them."""
    metrics, params = queries.metrics(run.id), queries.logged_params(run.id)
    if metrics or params:
        return metrics, params
    for tracked in reversed(queries.tracked_on(run.id)):  # the parent, which comes first, wins
        try:
            more = trackers(tracked.tracker).measures_of(tracked)
        except MlxError as error:
            notes.append(mask_text(f"metrics of run {run.id} are left out: {error.message}"))
            return {}, {}
        metrics, params = {**metrics, **more[0]}, {**params, **more[1]}
    return metrics, params


def _beside(params: Mapping[str, str], run: RunRecord) -> dict[str, str]:
    """Return the params that are not just the parameters of the run, which are logged to every tracker."""
    return {key: item for key, item in params.items() if str(run.parameters.get(key)) != item}


def _curves(
    queries: RunQueries, runs: Sequence[RunRecord], trackers: Trackers, notes: list[str]
) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """Return every metric that has more than one value in any of the runs; a tracker that is down is said, and left out."""
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    down: set[str] = set()
    for letter, run in zip(LETTERS, runs, strict=False):
        tracked = queries.tracked_on(run.id)
        for name in dict.fromkeys(item.tracker for item in tracked):
            if name in down:
                continue
            try:
                tracker = trackers(name)
                if not hasattr(tracker, "curves"):  # another flavor than ours need not keep any
                    raise MlxError(f"tracker {name!r} keeps no history of metrics")
                curves = tracker.curves([item.run_id for item in tracked if item.tracker == name])
            except MlxError as error:
                down.add(name)
                notes.append(mask_text(f"curves are left out: {error.message}"))
                continue
            for key, points in curves.items():
                found.setdefault(key, {}).setdefault(letter, _points(points))
    drawn = {
        key: item for key, item in sorted(found.items()) if any(len(points) > 1 for points in item.values())
    }
    if not drawn and not down:
        notes.append("no metric has more than one value: there is no curve to draw")
    return drawn


def _points(points: Sequence[CurvePoint]) -> list[tuple[float, float]]:
    """Return step and value; a metric that was logged without steps goes by the order of its values."""
    if len({point.step for point in points}) < len(points) and len({point.step for point in points}) == 1:
        return [(float(index), point.value) for index, point in enumerate(points)]
    return [(float(point.step), point.value) for point in points]


def _data(steps: Mapping[str, StepRecord]) -> dict[str, str]:
    found = {}
    for name, step in steps.items():
        found.update({f"{name}({path})": digest[:_SHOWN] for path, digest in input_digests(step).items()})
        found.update({f"{name}.{output.name}": output.digest[:_SHOWN] for output in step.outputs})
    return found


def _durations(run: RunRecord, steps: Mapping[str, StepRecord]) -> dict[str, Any]:
    of_steps = {f"step {name}": round(step.duration, 3) for name, step in steps.items()}
    return {"run": None if run.duration is None else round(run.duration, 3), **of_steps}


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
