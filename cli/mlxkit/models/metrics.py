"""What was measured of model versions: metrics and parameters, in as few requests as there can be."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field

from ..dataclass import dataclass
from ..stacks.registries import LoggedModel, ModelRegistry, ModelVersion, TrackedRun
from .ownership import Share, is_of_another, runs_to_check, share_of
from .tags import MLFLOW_RUNS, RUN_ID


@dataclass(frozen=True)
class Measured:
    """What counts for one version: its own metrics, then its run's, then those of the other runs behind it.

    `of_others` and `doubtful` say of metrics of its source run which models they are of, or may be of.
    """

    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    of_others: Mapping[str, str] = field(default_factory=dict)
    doubtful: Mapping[str, str] = field(default_factory=dict)


def runs_behind(version: ModelVersion) -> list[str]:
    """Return the tracker's runs whose metrics count for a version, its source run first."""
    try:
        named = json.loads(version.tags.get(MLFLOW_RUNS) or "[]")
    except ValueError:  # somebody else wrote the tag
        named = []
    runs = [item for item in named if isinstance(item, str) and item] if isinstance(named, list) else []
    return list(dict.fromkeys([*([version.run_id] if version.run_id else []), *runs]))


def measured(registry: ModelRegistry, versions: Sequence[ModelVersion]) -> list[Measured]:
    """Return what was measured of each version; many versions take no more requests than one."""
    return _measured(registry, versions, at_once=True)


def measured_wholly(registry: ModelRegistry, version: ModelVersion) -> Measured:
    """Return the same of one version, with what another run measured of its logged model in any case."""
    return _measured(registry, [version], at_once=False)[0]


def measured_around(registry: ModelRegistry, version: ModelVersion) -> Measured:
    """Return all that, then what the other runs of the same pipeline run logged, if they logged no other model."""
    own, ours = measured_wholly(registry, version), version.tags.get(RUN_ID)
    if not ours:
        return own
    known = runs_behind(version)
    runs = [run for run in registry.runs_of(ours) if run.run_id not in known]
    return _merged(own, _speaking(version, runs, registry.models_of(runs)))


def _measured(registry: ModelRegistry, versions: Sequence[ModelVersion], *, at_once: bool) -> list[Measured]:
    wanted = list(dict.fromkeys(run for version in versions for run in runs_behind(version)))
    runs = registry.runs(wanted) if wanted else {}
    logged: dict[str, list[LoggedModel]] = {}
    for model in registry.models_of(list(runs.values()), at_once=at_once) if runs else ():
        logged.setdefault(model.run_id, []).append(model)
    if not at_once:
        zeros = [run for item in versions for run in runs_to_check(item, logged.get(item.run_id, ()))]
        missing = [run for run in dict.fromkeys(zeros) if run and run not in runs]
        runs = {**runs, **(registry.runs(missing) if missing else {})}
    return [_of_version(version, runs, logged) for version in versions]


def _of_version(
    version: ModelVersion, runs: Mapping[str, TrackedRun], logged: Mapping[str, Sequence[LoggedModel]]
) -> Measured:
    source = runs.get(version.run_id)
    share: Share = share_of(version, runs, logged.get(version.run_id, ()))
    first = Measured(
        {**share.common, **share.own}, source.params if source else {}, share.of_others, share.doubtful
    )
    others = [runs[name] for name in runs_behind(version) if name in runs and name != version.run_id]
    models = [model for run in others for model in logged.get(run.run_id, ())]
    return _merged(first, _speaking(version, others, models))


def _speaking(
    version: ModelVersion, runs: Sequence[TrackedRun], models: Sequence[LoggedModel]
) -> list[TrackedRun]:
    return [run for run in runs if not is_of_another(run, version, models)]


def _merged(first: Measured, runs: Iterable[TrackedRun]) -> Measured:
    metrics, params = dict(first.metrics), dict(first.params)
    for run in runs:
        metrics, params = {**run.metrics, **metrics}, {**run.params, **params}
    return Measured(
        dict(sorted(metrics.items())), dict(sorted(params.items())), first.of_others, first.doubtful
    )
