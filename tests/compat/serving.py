"""A file in the style of the project that most people begin with: train, judge, deploy, and ask what was deployed."""

from __future__ import annotations

DEPLOY = """
import argparse
import json

import mlflow
import numpy as np
import pandas as pd
from sklearn.base import RegressorMixin
from sklearn.linear_model import LinearRegression
from zenml import pipeline, step
from zenml.client import Client
from zenml.config import DockerSettings
from zenml.constants import DEFAULT_SERVICE_START_STOP_TIMEOUT
from zenml.integrations.constants import MLFLOW
from zenml.integrations.mlflow.mlflow_utils import get_tracking_uri
from zenml.integrations.mlflow.model_deployers.mlflow_model_deployer import MLFlowModelDeployer
from zenml.integrations.mlflow.services import MLFlowDeploymentService
from zenml.integrations.mlflow.steps import mlflow_model_deployer_step
from zenml.steps import BaseParameters, Output

docker_settings = DockerSettings(required_integrations=[MLFLOW])
experiment_tracker = Client().active_stack.experiment_tracker


class TriggerConfig(BaseParameters):
    min_r2: float = 0.5


class LoaderParameters(BaseParameters):
    pipeline_name: str
    step_name: str
    running: bool = True


@step
def ingest() -> Output(x=pd.DataFrame, y=pd.Series):
    frame = pd.DataFrame({"a": np.arange(20.0), "b": np.ones(20)})
    return frame, frame["a"] * 3


@step(experiment_tracker=experiment_tracker.name)
def train_model(x: pd.DataFrame, y: pd.Series) -> RegressorMixin:
    mlflow.sklearn.autolog()
    return LinearRegression().fit(x, y)


@step(experiment_tracker=experiment_tracker.name)
def evaluation(model: RegressorMixin, x: pd.DataFrame, y: pd.Series) -> float:
    r2 = float(model.score(x, y))
    mlflow.log_metric("r2", r2)
    return r2


@step
def deployment_trigger(r2: float, config: TriggerConfig) -> bool:
    return r2 > config.min_r2


@pipeline(enable_cache=False, settings={"docker": docker_settings})
def continuous_deployment_pipeline(workers: int = 1, timeout: int = DEFAULT_SERVICE_START_STOP_TIMEOUT):
    x, y = ingest()
    model = train_model(x, y)
    decision = deployment_trigger(r2=evaluation(model, x, y))
    mlflow_model_deployer_step(model=model, deploy_decision=decision, workers=workers, timeout=timeout)


@step(enable_cache=False)
def prediction_service_loader(
    pipeline_name: str, pipeline_step_name: str, running: bool = True, model_name: str = "model"
) -> MLFlowDeploymentService:
    deployer = MLFlowModelDeployer.get_active_model_deployer()
    services = deployer.find_model_server(
        pipeline_name=pipeline_name, pipeline_step_name=pipeline_step_name, model_name=model_name, running=running
    )
    if not services:
        raise RuntimeError(f"no service deployed by {pipeline_step_name} in {pipeline_name}")
    return services[0]


@step
def predictor(service: MLFlowDeploymentService, data: str) -> np.ndarray:
    service.start(timeout=60)
    frame = pd.DataFrame(json.loads(data)["data"], columns=["a", "b"])
    return service.predict(frame)


@pipeline(enable_cache=False, settings={"docker": docker_settings})
def inference_pipeline(pipeline_name: str, pipeline_step_name: str):
    service = prediction_service_loader(
        pipeline_name=pipeline_name, pipeline_step_name=pipeline_step_name, running=False
    )
    predictor(service=service, data=json.dumps({"data": [[4.0, 1.0], [5.0, 1.0]]}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", choices=["deploy", "predict", "both"], default="both")
    config = parser.parse_args().config
    if config != "predict":
        continuous_deployment_pipeline()
    if config != "deploy":
        inference_pipeline("continuous_deployment_pipeline", "mlflow_model_deployer_step")
        last = Client().get_pipeline("inference_pipeline").last_run
        print("predicted", [round(float(item), 3) for item in last.steps["predictor"].output.load()])
    print("tracking uri", get_tracking_uri())
    (service,) = MLFlowModelDeployer.get_active_model_deployer().find_model_server(
        pipeline_name="continuous_deployment_pipeline",
        pipeline_step_name="mlflow_model_deployer_step",
        model_name="model",
    )
    print("serving" if service.is_running else "down", service.prediction_url)
"""
