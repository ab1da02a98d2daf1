"""MLflow's door of the SDK: what a pipeline file says about tracking, without importing MLflow.

from mlxkit.mlflow import MLFlowExperimentTrackerSettings
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["MLFlowExperimentTrackerSettings"]


@dataclass(frozen=True)
class MLFlowExperimentTrackerSettings:
    """Settings of a step under the key `experiment_tracker` or `experiment_tracker.mlflow`.

    `nested=True` gives the step a child run of its own, which then gets the tags.
    """

    nested: bool | None = None
    tags: Mapping[str, str] | None = None
    experiment_name: str | None = None
