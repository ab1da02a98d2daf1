"""Stages and aliases: the names that a version can hold, and who holds one."""

from __future__ import annotations

import re

from ..errors import NotFoundError, UsageError, did_you_mean
from ..stacks.registries import ModelRegistry, ModelVersion, RegisteredModel

STAGES = ("staging", "production", "archived")
LATEST = "latest"
_ALIAS = re.compile(r"[\w-]{1,255}")
_VERSION_NUMBER = re.compile(r"[vV]?\d+")


def check_alias(text: str) -> str:
    """Return an alias as it is stored, a stage in lower case; raises UsageError for what MLflow cannot hold."""
    stage = text.strip().lower()
    if stage in STAGES:
        return stage
    if stage in ("none", ""):
        raise UsageError(f"{text!r} is no stage or alias", hint="mlx model unset NAME --stage STAGE")
    if stage == LATEST or _VERSION_NUMBER.fullmatch(text):
        raise UsageError(f"{text!r} cannot be an alias: it already means a version", hint="--to champion")
    if not _ALIAS.fullmatch(text):
        raise UsageError(f"{text!r} cannot be an alias: it may hold letters, digits, _ and -")
    return text


def stage_of(version: ModelVersion) -> str | None:
    """Return the stage that a version is in, by its alias or as MLflow 2 kept it."""
    for stage in STAGES:
        if stage in version.aliases:
            return stage
    legacy = version.legacy_stage.lower()
    return legacy if legacy in STAGES else None


def holder(registry: ModelRegistry, model: RegisteredModel, alias: str) -> int | None:
    """Return the version that an alias, or a stage of MLflow 2, stands for; None when nothing holds it."""
    for name in (alias, alias.lower()):
        if name in model.aliases:
            return model.aliases[name]
    if alias.lower() not in STAGES:
        return None
    legacy = [item for item in registry.versions(model.name) if item.legacy_stage.lower() == alias.lower()]
    return legacy[0].version if legacy else None


def no_holder(model: RegisteredModel, alias: str, hint: str) -> NotFoundError:
    """Return the error for an alias that no version holds, with those that are held."""
    held = ", ".join(sorted(model.aliases)) or "none"
    return NotFoundError(
        f"no version of {model.name!r} is {alias!r}{did_you_mean(alias, model.aliases)}; it has: {held}",
        hint=hint,
    )
