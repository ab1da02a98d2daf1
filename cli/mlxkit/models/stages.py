"""Stages and aliases: the names that a version can hold, and who holds one.

A stage is an alias in lower case; other tools may spell it otherwise, and MLflow 2 kept stages apart from aliases.
"""

from __future__ import annotations

from ..errors import NotFoundError, UsageError, did_you_mean
from ..stacks import aliases
from ..stacks.registries import ModelRegistry, ModelVersion, RegisteredModel

STAGES = ("staging", "production", "archived")


def check_alias(text: str) -> str:
    """Return an alias as it is stored, a stage in lower case; raises UsageError for what MLflow cannot hold."""
    stage = text.strip().lower()
    if stage in STAGES:
        return stage
    if stage in ("none", ""):
        raise UsageError(f"{text!r} is no stage or alias", hint="mlx model unset NAME --stage STAGE")
    aliases.check_alias(text)
    return text


def stage_of(version: ModelVersion) -> str | None:
    """Return the stage that a version is in, by its alias or as MLflow 2 kept it."""
    return next(iter(stages_of(version)), None)


def stages_of(version: ModelVersion) -> tuple[str, ...]:
    """Return every stage that a version is in: those that it has by an alias first."""
    held = {alias.lower() for alias in version.aliases}
    kept = _kept(version)
    by_alias = [stage for stage in STAGES if stage in held]
    return tuple(dict.fromkeys([*by_alias, *([kept] if kept else [])]))


def is_kept_by_mlflow_2(version: ModelVersion, stage: str) -> bool:
    """Say whether a version is in a stage as MLflow 2 kept it."""
    return _kept(version) == stage


def spellings(model: RegisteredModel, alias: str) -> list[str]:
    """Return how a model's aliases write one: a stage in upper or lower case, that in lower case first."""
    stage = alias.lower()
    if stage not in STAGES:
        return [alias] if alias in model.aliases else []
    found = [name for name in model.aliases if name.lower() == stage]
    return sorted(found, key=lambda name: (name != stage, -model.aliases[name]))


def held_by(model: RegisteredModel) -> dict[str, int]:
    """Return which version holds which alias, the stages in lower case."""
    names = dict.fromkeys(name.lower() if name.lower() in STAGES else name for name in model.aliases)
    return {name: model.aliases[spellings(model, name)[0]] for name in names}


def holder(registry: ModelRegistry, model: RegisteredModel, alias: str) -> int | None:
    """Return the version that an alias, or a stage of MLflow 2, stands for; None when nothing holds it."""
    for name in spellings(model, alias):
        return model.aliases[name]
    kept = kept_in(registry, model, alias)
    return kept[0].version if kept else None


def kept_in(registry: ModelRegistry, model: RegisteredModel, stage: str) -> list[ModelVersion]:
    """Return the versions that are in a stage as MLflow 2 kept it, the newest first."""
    if stage.lower() not in STAGES:
        return []
    return [item for item in registry.versions(model.name, limit=100_000) if _kept(item) == stage.lower()]


def no_holder(model: RegisteredModel, alias: str, hint: str) -> NotFoundError:
    """Return the error for an alias that no version holds, with those that are held."""
    held = ", ".join(sorted(model.aliases)) or "none"
    return NotFoundError(
        f"no version of {model.name!r} is {alias!r}{did_you_mean(alias, model.aliases)}; it has: {held}",
        hint=hint,
    )


def _kept(version: ModelVersion) -> str | None:
    stage = version.legacy_stage.lower()
    return stage if stage in STAGES else None
