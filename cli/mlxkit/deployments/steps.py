"""Ready-made steps for deployments, under the names that ZenML's users know."""

from __future__ import annotations

from typing import Annotated, Any

from ..errors import UsageError
from ..models.steps import RegisteredVersion, mlflow_register_model_step
from ..pipelines.context import get_step_context
from ..pipelines.decorators import step
from .sdk import MLFlowDeploymentConfig, MLFlowModelDeployer, ModelServer


@step(enable_cache=False, experiment_tracker=False)
def mlflow_model_deployer_step(
    model: Any,
    deploy_decision: bool = True,
    name: str | None = None,
    model_name: str | None = None,
    registered_model_name: str | None = None,
    workers: int = 1,
    timeout: int = 60,
) -> Annotated[Any, "server"]:
    """Serve a model of this run, and return its server; without `deploy_decision` what is served stays as it is.

    `model` is what `mlflow_register_model_step` returned, or the output of the step that logged the model: that one
    is registered first, as `registered_model_name`, because what is served has a version that can be traced.
    `model_name` is the name it was logged under. The deployment is called `name`, or like the pipeline.
    """
    context = get_step_context()
    deployment = name or context.pipeline.name
    deployer = MLFlowModelDeployer()
    if not deploy_decision:
        return next(iter(deployer.find_model_server(name=deployment)), None)
    version = model
    if not isinstance(model, RegisteredVersion):
        version = mlflow_register_model_step.function(
            model, registered_model_name or context.pipeline.name, trained_model_name=model_name
        )
    return _deployed(deployer, deployment, version, workers, timeout)


@step(enable_cache=False, experiment_tracker=False)
def mlflow_model_registry_deployer_step(
    registry_model_name: str,
    registry_model_version: str | None = None,
    registry_model_stage: str | None = None,
    name: str | None = None,
    workers: int = 1,
    timeout: int = 60,
) -> Annotated[Any, "server"]:
    """Serve a version of the registry, by its number or version tag, or by its stage or alias; return its server."""
    if (registry_model_version is None) == (registry_model_stage is None):
        raise UsageError("name either registry_model_version or registry_model_stage")
    chosen = (
        f":{registry_model_version}" if registry_model_version else f"@{str(registry_model_stage).lower()}"
    )
    return _deployed(
        MLFlowModelDeployer(), name or registry_model_name, f"{registry_model_name}{chosen}", workers, timeout
    )


def _deployed(
    deployer: MLFlowModelDeployer, name: str, model: Any, workers: int, timeout: int
) -> ModelServer:
    config = MLFlowDeploymentConfig(workers=workers, timeout=timeout)
    server = deployer.deploy_model(name=name, model=model, config=config)
    get_step_context().metadata.update(deployment=name, prediction_url=server.prediction_url)
    return server
