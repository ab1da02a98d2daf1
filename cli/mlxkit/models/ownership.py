"""Whose a metric is, when a run logged several models: a model is never judged by what was measured of another one.

MLflow ties a metric to the models that its run has when it is logged, and copies what a run has to each model that is
logged later. A value that several models have is therefore nobody's own, unless it was there before the others were.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import field

from ..dataclass import dataclass
from ..stacks.registries import LoggedMetric, LoggedModel, ModelVersion, TrackedRun
from .tags import STEP


@dataclass(frozen=True)
class Share:
    """What a version has of its source run's metrics.

    `own` is measured of the model itself, `common` is the run's and no model's; `of_others` says which model another
    metric is of, `doubtful` which ones a common metric may be of because they are of several steps.
    """

    own: Mapping[str, float] = field(default_factory=dict)
    common: Mapping[str, float] = field(default_factory=dict)
    of_others: Mapping[str, str] = field(default_factory=dict)
    doubtful: Mapping[str, str] = field(default_factory=dict)


def share_of(version: ModelVersion, runs: Mapping[str, TrackedRun], models: Sequence[LoggedModel]) -> Share:
    """Return what a version has of its source run, whose models these are."""
    model, run = source_of(version, models), runs.get(version.run_id)
    own = _own(model, models) if model is not None else {}
    of_others = {
        name: told(other)
        for other in models
        if other is not model
        for name in _own(other, models)
        if name not in own
    }
    values = run.metrics if run is not None else {}
    common = {name: value for name, value in values.items() if name not in own and name not in of_others}
    several = len({other.tags.get(STEP, "") for other in models}) > 1
    whose = f"model {' or '.join(_named(other) for other in models)}"
    return Share(
        {name: _value(item, runs) for name, item in own.items()},
        common,
        of_others,
        dict.fromkeys(common, whose) if several else {},
    )


def runs_to_check(version: ModelVersion, models: Sequence[LoggedModel]) -> list[str]:
    """Return the runs that say whether a zero of the version's model is one."""
    model = source_of(version, models)
    return list(dict.fromkeys(item.run_id for item in model.measured if item.value == 0)) if model else []


def is_of_another(run: TrackedRun, version: ModelVersion, models: Sequence[LoggedModel]) -> bool:
    """Say whether a run logged a model that is not the version's: then it does not speak for the version."""
    logged = [model for model in models if model.run_id == run.run_id]
    return any(not _is_source(model, version) for model in logged) or any(
        model_id != version.model_id for model_id in run.models
    )


def source_of(version: ModelVersion, models: Sequence[LoggedModel]) -> LoggedModel | None:
    """Return which of a run's models a version was made from; the only one, where its address does not say."""
    found = next((model for model in models if _is_source(model, version)), None)
    return models[0] if found is None and len(models) == 1 else found


def told(model: LoggedModel) -> str:
    """Return a logged model in words."""
    return f"model {_named(model)}"


def _is_source(model: LoggedModel, version: ModelVersion) -> bool:
    if version.model_id and model.model_id:
        return model.model_id == version.model_id
    return model.uri == version.source or (
        not model.model_id and model.run_id == version.run_id and version.source.endswith(f"/{model.name}")
    )


def _named(model: LoggedModel) -> str:
    step = model.tags.get(STEP)
    return f"{model.name!r} (step {step})" if step else repr(model.name)


def _own(model: LoggedModel, models: Sequence[LoggedModel]) -> dict[str, LoggedMetric]:
    last = {item.name: item for item in model.measured}
    rest = [other for other in models if other is not model]
    return {name: item for name, item in last.items() if _is_its_own(item, model, rest)}


def _is_its_own(item: LoggedMetric, model: LoggedModel, rest: Sequence[LoggedModel]) -> bool:
    sharing = [other for other in rest if _mark(item) in map(_mark, other.measured)]
    if not sharing:
        return True
    step = model.tags.get(STEP, "")
    is_first = item.time >= round(model.created * 1000)
    return is_first and all(
        other.tags.get(STEP, "") == step and item.time <= round(other.created * 1000) for other in sharing
    )


def _mark(item: LoggedMetric) -> tuple[str, str, str, int, int]:
    return item.name, repr(item.value), item.run_id, item.time, item.step


def _value(item: LoggedMetric, runs: Mapping[str, TrackedRun]) -> float:
    """Return a model's value: a zero may be what MLflow's databases make of its run's nan."""
    run = runs.get(item.run_id)
    is_lost = item.value == 0 and run is not None and math.isnan(run.metrics.get(item.name, 0.0))
    return math.nan if is_lost else item.value
