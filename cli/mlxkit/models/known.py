"""What completion is told about models, so that a TAB need not ask the registry."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ..config.nameindex import add, forget, recall, remember
from ..stacks.registries import ModelVersion, RegisteredModel

_KIND = "models"


def listed(state_dir: Path, models: Sequence[RegisteredModel]) -> None:
    """Tell of all models of the registry, each with its aliases; versions of them that are known stay known."""
    names = {model.name for model in models}
    lines = [line for model in models for line in _lines(model)]
    known = [line for line in recall(state_dir, _KIND) if ":" in line and line.rpartition(":")[0] in names]
    remember(state_dir, _KIND, [*lines, *known])


def seen(state_dir: Path, versions: Iterable[ModelVersion]) -> None:
    """Tell of versions, and of the aliases that they hold."""
    lines = [
        line
        for version in versions
        for line in (
            version.reference,
            *(f"{version.name}@{alias}" for alias in version.aliases),
            version.name,
        )
    ]
    add(state_dir, _KIND, *lines)


def named(state_dir: Path, name: str, alias: str) -> None:
    """Tell that a model has an alias."""
    add(state_dir, _KIND, f"{name}@{alias}")


def deleted(state_dir: Path, name: str, version: int | None) -> None:
    """Tell of a version that is gone, or of a model with all of them."""
    if version is not None:
        forget(state_dir, _KIND, lambda line: line == f"{name}:{version}")
    else:
        forget(state_dir, _KIND, lambda line: line == name or line.startswith((f"{name}:", f"{name}@")))


def _lines(model: RegisteredModel) -> list[str]:
    versions = {*model.aliases.values(), *([model.latest] if model.latest is not None else [])}
    return [
        model.name,
        *(f"{model.name}@{alias}" for alias in model.aliases),
        *(f"{model.name}:{number}" for number in sorted(versions, reverse=True)),
    ]
