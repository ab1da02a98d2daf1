"""Evidence for a promotion: the conditions with the values that the versions really have."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import NotFoundError, did_you_mean
from ..stacks.registries import ModelRegistry, ModelVersion
from .evidence import Condition, EvidenceRow, Metric
from .metrics import Measured, measured_around, measured_wholly
from .references import resolve


def judge(
    registry: ModelRegistry, candidate: ModelVersion, conditions: Sequence[Condition]
) -> tuple[EvidenceRow, ...]:
    """Compare what each condition names; raises NotFoundError for a metric or an alias that is not there."""
    if not conditions:
        return ()
    wanted = list(dict.fromkeys(metric for condition in conditions for metric in condition.metrics()))
    versions: dict[str | None, ModelVersion] = {None: candidate}
    for metric in wanted:
        if metric.alias not in versions:
            versions[metric.alias] = _holding(registry, candidate, str(metric.alias))
    known = {alias: measured_wholly(registry, version) for alias, version in versions.items()}
    for alias, version in versions.items():
        if any(metric.name not in known[alias].metrics for metric in wanted if metric.alias == alias):
            known[alias] = measured_around(registry, version)

    def value_of(metric: Metric) -> float:
        return _value(metric, versions[metric.alias], known[metric.alias])

    return tuple(condition.judge(value_of) for condition in conditions)


def _holding(registry: ModelRegistry, candidate: ModelVersion, alias: str) -> ModelVersion:
    try:
        return resolve(registry, f"{candidate.name}@{alias}")
    except NotFoundError as error:
        raise NotFoundError(
            error.message,
            hint=f"the first promotion has nothing to compare with: leave out the conditions on @{alias}",
        ) from None


def _value(metric: Metric, version: ModelVersion, known: Measured) -> float:
    name = metric.name
    tied = f"mlflow.log_metric({name!r}, VALUE, model_id=...) says whose it is"
    if name in known.doubtful:
        raise NotFoundError(
            f"metric {name!r} of run {version.run_id} may be that of {known.doubtful[name]}", hint=tied
        )
    if name in known.metrics:
        return known.metrics[name]
    there = ", ".join(sorted(known.metrics)) or "none"
    if name in known.of_others:
        raise NotFoundError(
            f"{version.reference} has no metric {name!r}: that of run {version.run_id} is of {known.of_others[name]}; "
            f"it has: {there}",
            hint=tied,
        )
    raise NotFoundError(
        f"{version.reference} has no metric {name!r}{did_you_mean(name, known.metrics)}; it has: {there}",
        hint=f"mlx model describe {version.reference}",
    )
