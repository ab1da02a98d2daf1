"""What the runs behind model versions measured: metrics and parameters, in as few requests as there can be."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..stacks.registries import LoggedModel, ModelRegistry, ModelVersion, TrackedRun
from .tags import MLFLOW_RUNS, RUN_ID


@dataclass(frozen=True)
class Measured:
    """What counts for one version; the first run that has a name gives its value."""

    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)


def runs_behind(version: ModelVersion) -> list[str]:
    """Return the tracker's runs whose metrics count for a version, its source run first."""
    try:
        named = json.loads(version.tags.get(MLFLOW_RUNS) or "[]")
    except ValueError:  # somebody else wrote the tag
        named = []
    runs = [item for item in named if isinstance(item, str) and item] if isinstance(named, list) else []
    return list(dict.fromkeys([*runs, *([version.run_id] if version.run_id else [])]))


def measured(registry: ModelRegistry, versions: Sequence[ModelVersion]) -> list[Measured]:
    """Return what the runs behind each version measured; many versions take no more requests than one."""
    wanted = list(dict.fromkeys(run for version in versions for run in runs_behind(version)))
    runs = registry.runs(wanted) if wanted else {}
    return [_merged(runs[name] for name in runs_behind(version) if name in runs) for version in versions]


def measured_wholly(registry: ModelRegistry, version: ModelVersion) -> Measured:
    """Return what the runs behind one version measured, then what was measured of its logged model itself."""
    own = measured(registry, [version])[0]
    models = registry.logged_models([version.run_id]) if version.run_id else []
    return _merged([own, *(Measured(metrics=item.metrics) for item in models if _is_source(item, version))])


def measured_around(registry: ModelRegistry, version: ModelVersion) -> Measured:
    """Return all that, then what the other runs of the same pipeline run logged."""
    own = measured_wholly(registry, version)
    ours = version.tags.get(RUN_ID)
    return _merged([own, *(registry.runs_of(ours) if ours else [])])


def _is_source(model: LoggedModel, version: ModelVersion) -> bool:
    if version.model_id and model.model_id:
        return model.model_id == version.model_id
    return model.uri == version.source


def _merged(parts: Iterable[Measured | TrackedRun]) -> Measured:
    metrics: dict[str, float] = {}
    params: dict[str, str] = {}
    for part in parts:
        metrics = {**part.metrics, **metrics}
        params = {**part.params, **params}
    return Measured(dict(sorted(metrics.items())), dict(sorted(params.items())))
