"""MLflow's door of the SDK: what a pipeline file says about tracking, models and serving, without importing MLflow.

from mlxkit.mlflow import MLFlowExperimentTrackerSettings, mlflow_register_model_step, MLFlowModelDeployer
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .deployments.sdk import MLFlowDeploymentConfig, MLFlowModelDeployer, ModelServer
    from .deployments.steps import mlflow_model_deployer_step, mlflow_model_registry_deployer_step
    from .models.steps import RegisteredVersion, mlflow_register_model_step

__all__ = [
    "MLFlowDeploymentConfig",
    "MLFlowExperimentTrackerSettings",
    "MLFlowModelDeployer",
    "ModelServer",
    "RegisteredVersion",
    "log_model",
    "mlflow_model_deployer_step",
    "mlflow_model_registry_deployer_step",
    "mlflow_register_model_step",
]

_ELSEWHERE = {
    "MLFlowDeploymentConfig": ".deployments.sdk",
    "MLFlowModelDeployer": ".deployments.sdk",
    "ModelServer": ".deployments.sdk",
    "RegisteredVersion": ".models.steps",
    "mlflow_model_deployer_step": ".deployments.steps",
    "mlflow_model_registry_deployer_step": ".deployments.steps",
    "mlflow_register_model_step": ".models.steps",
}


@dataclass(frozen=True)
class MLFlowExperimentTrackerSettings:
    """Settings of a step under the key `experiment_tracker` or `experiment_tracker.mlflow`.

    `nested=True` gives the step a child run of its own, which then gets the tags.
    """

    nested: bool | None = None
    tags: Mapping[str, str] | None = None
    experiment_name: str | None = None


def log_model(model: Any, name: str = "model", **options: Any) -> Any:
    """Log a model with the MLflow flavor that its class belongs to, and return MLflow's own answer.

    `options` go to that flavor's `log_model`. Raises UsageError for a class that no flavor of MLflow knows.
    """
    from .stacks.flavors import imported

    log = imported("mlxkit.integrations.mlflow.log_model:log_model")
    return log(model, name, options)


def __getattr__(name: str) -> Any:
    """Import what lives elsewhere when it is asked for."""
    if name not in _ELSEWHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_ELSEWHERE[name], __package__), name)
