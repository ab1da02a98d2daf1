"""Models and their versions as commands show them and Python gets them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from ..dataclass import dataclass
from ..records import Record, plain
from ..runs.records import iso
from ..stacks.addresses import shown_address
from ..stacks.registries import ModelVersion, RegisteredModel
from .metrics import Measured
from .references import label_of
from .stages import stage_of
from .tags import COMMIT, INPUTS, OURS, PIPELINE, RUN_ID, STACK, STEP


@dataclass(frozen=True)
class VersionRecord(Record):
    """One version of a model; `metrics` and `params` are those of the runs behind it, `run` is our run's id."""

    name: str
    version: int
    version_tag: str | None
    aliases: tuple[str, ...]
    stage: str | None
    description: str
    status: str
    created: str | None
    user: str
    run: str | None
    mlflow_run_id: str | None
    pipeline: str | None
    step: str | None
    stack: str | None
    commit: str | None
    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    source: str = ""

    @property
    def reference(self) -> str:
        """The version as commands take it."""
        return f"{self.name}:{self.version}"

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), "metrics": shown_metrics(self.metrics)}


@dataclass(frozen=True)
class ModelRecord(Record):
    """A model; `metrics` are those of `version`: the one in production, or else the newest."""

    name: str
    description: str
    latest: int | None
    aliases: Mapping[str, int]
    version: int | None
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    created: str | None
    updated: str | None

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), "metrics": shown_metrics(self.metrics)}


@dataclass(frozen=True)
class ModelDescription(Record):
    """A model with its versions, the newest first."""

    model: ModelRecord
    versions: tuple[VersionRecord, ...]

    @property
    def reference(self) -> str:
        """The model as commands take it."""
        return self.model.name

    def to_dict(self) -> dict[str, Any]:
        """Return the model's own keys at the top, and its versions below them."""
        return {**self.model.to_dict(), "versions": plain(self.versions)}


def version_record(version: ModelVersion, measured: Measured) -> VersionRecord:
    """Return a version with what was measured of it."""
    tags = version.tags
    return VersionRecord(
        name=version.name, version=version.version, version_tag=label_of(version), aliases=tuple(version.aliases),
        stage=stage_of(version), description=version.description, status=version.status, created=_time(version.created),
        user=version.user, run=tags.get(RUN_ID), mlflow_run_id=version.run_id or None, pipeline=tags.get(PIPELINE),
        step=tags.get(STEP), stack=tags.get(STACK), commit=tags.get(COMMIT), metrics=measured.metrics,
        params=measured.params, inputs=_inputs(tags.get(INPUTS)), tags=without_ours(tags), source=shown_address(version.source),
    )  # fmt: skip


def model_record(model: RegisteredModel, version: int | None, measured: Measured) -> ModelRecord:
    """Return a model with what was measured of one of its versions."""
    return ModelRecord(
        name=model.name, description=model.description, latest=model.latest,
        aliases=dict(sorted(model.aliases.items())), version=version, metrics=measured.metrics,
        tags=without_ours(model.tags), created=_time(model.created), updated=_time(model.updated),
    )  # fmt: skip


def without_ours(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags that are not written by `mlx` itself."""
    return {key: value for key, value in sorted(tags.items()) if not key.startswith(OURS)}


def shown(value: float) -> float | str:
    """Return a number as JSON can hold it: nan and the infinities as text."""
    return value if math.isfinite(value) else str(value)


def shown_metrics(metrics: Mapping[str, float]) -> dict[str, float | str]:
    """Return metrics as JSON can hold them."""
    return {name: shown(value) for name, value in metrics.items()}


def _time(moment: float) -> str | None:
    return iso(moment) if moment else None


def _inputs(text: str | None) -> dict[str, str]:
    try:
        told = json.loads(text or "{}")
    except ValueError:  # somebody else wrote the tag
        return {}
    return {str(key): str(value) for key, value in told.items()} if isinstance(told, dict) else {}
