"""A project of several files in the style of ZenML's own examples, which knows nothing of mlx."""

from __future__ import annotations

from pathlib import Path

FILES = {
    "config/training.yaml": """\
enable_cache: true
parameters:
  test_size: 0.25
steps:
  train:
    parameters:
      strength: 0.5
settings:
  docker:
    required_integrations: [sklearn]
model:
  name: wine
  version: "1"
  license: MIT
extra:
  team: vision
""",
    "materializers/__init__.py": "",
    "materializers/report.py": """\
import json
import os
from typing import Any, Type

from zenml.enums import ArtifactType
from zenml.io import fileio
from zenml.materializers.base_materializer import BaseMaterializer


class Report:
    def __init__(self, lines):
        self.lines = lines


class ReportMaterializer(BaseMaterializer):
    ASSOCIATED_TYPES = (Report,)
    ASSOCIATED_ARTIFACT_TYPE = ArtifactType.DATA

    def load(self, data_type: Type[Any]) -> Report:
        with fileio.open(os.path.join(self.uri, "report.json"), "r") as file:
            return Report(json.load(file))

    def save(self, data: Report) -> None:
        with fileio.open(os.path.join(self.uri, "report.json"), "w") as file:
            json.dump(data.lines, file)
""",
    "steps/__init__.py": """\
from .data import load_data
from .training import evaluate, report, train
from .promotion import gate
""",
    "steps/data.py": """\
from typing import Tuple

import pandas as pd
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from typing_extensions import Annotated
from zenml import step
from zenml.logger import get_logger

logger = get_logger(__name__)


@step
def load_data(
    test_size: float,
) -> Tuple[
    Annotated[pd.DataFrame, "x_train"],
    Annotated[pd.DataFrame, "x_test"],
    Annotated[pd.Series, "y_train"],
    Annotated[pd.Series, "y_test"],
]:
    x, y = load_wine(return_X_y=True, as_frame=True)
    logger.info("loaded %d rows", len(x))
    return tuple(train_test_split(x, y, test_size=test_size, random_state=0))
""",
    "steps/training.py": """\
import mlflow
import pandas as pd
from sklearn.base import ClassifierMixin
from sklearn.linear_model import LogisticRegression
from typing_extensions import Annotated
from zenml import ArtifactConfig, get_step_context, log_artifact_metadata, log_model_metadata, save_artifact, step
from zenml.client import Client
from zenml.enums import ArtifactType
from zenml.integrations.mlflow.experiment_trackers import MLFlowExperimentTracker
from zenml.integrations.mlflow.flavors.mlflow_experiment_tracker_flavor import MLFlowExperimentTrackerSettings

from materializers.report import Report, ReportMaterializer

tracker = Client().active_stack.experiment_tracker
if not tracker or not isinstance(tracker, MLFlowExperimentTracker):
    raise RuntimeError("the stack needs an MLflow tracker")


@step(
    experiment_tracker=tracker.name,
    settings={"experiment_tracker.mlflow": MLFlowExperimentTrackerSettings(tags={"style": "zenml"})},
    enable_artifact_metadata=True,
)
def train(
    x_train: pd.DataFrame, y_train: pd.Series, strength: float = 1.0
) -> Annotated[ClassifierMixin, ArtifactConfig(name="classifier", tags=["linear"], artifact_type=ArtifactType.MODEL)]:
    model = LogisticRegression(C=strength, max_iter=5000).fit(x_train, y_train)
    mlflow.log_param("strength", strength)
    mlflow.sklearn.log_model(model, "model")
    log_artifact_metadata({"features": x_train.shape[1]})
    save_artifact(list(x_train.columns), name="columns", version="first")
    return model


@step(experiment_tracker=tracker.name)
def evaluate(
    model: ClassifierMixin, x_test: pd.DataFrame, y_test: pd.Series
) -> Annotated[float, "accuracy"]:
    accuracy = float(model.score(x_test, y_test))
    mlflow.log_metric("accuracy", accuracy)
    log_model_metadata({"accuracy": accuracy})
    return accuracy


@step(output_materializers=ReportMaterializer)
def report(accuracy: float) -> Annotated[Report, "report"]:
    context = get_step_context()
    run = Client().get_pipeline_run(context.pipeline_run.name)
    names = [name for name, made in run.steps.items() if "classifier" in made.outputs]
    return Report([context.pipeline.name, context.model.name, names[0], accuracy > 0.8])
""",
    "steps/promotion.py": """\
from zenml import step
from zenml.steps import BaseParameters


class GateParameters(BaseParameters):
    least: float = 0.8


@step(enable_cache=False)
def gate(accuracy: float, params: GateParameters) -> bool:
    return accuracy >= params.least
""",
    "pipelines/__init__.py": """\
from .inference import inference
from .training import training
""",
    "pipelines/training.py": """\
from steps import evaluate, gate, load_data, report, train
from zenml import pipeline
from zenml.config import DockerSettings
from zenml.integrations.constants import MLFLOW, SKLEARN
from zenml.integrations.mlflow.steps.mlflow_registry import mlflow_register_model_step


def tell(exception):
    print(f"FAILED: {exception}")


@pipeline(
    on_failure=tell,
    settings={"docker": DockerSettings(required_integrations=[MLFLOW, SKLEARN])},
    tags=["nightly"],
)
def training(test_size: float = 0.2, register: bool = False):
    x_train, x_test, y_train, y_test = load_data(test_size=test_size)
    model = train(x_train=x_train, y_train=y_train)
    accuracy = evaluate(model=model, x_test=x_test, y_test=y_test)
    gate(accuracy, id="the_gate")
    report(accuracy, after=["the_gate"])
    if register:
        mlflow_register_model_step(model=model, name="wine-classifier", version="1.0.0")
""",
    "pipelines/inference.py": """\
from typing import List

import pandas as pd
from sklearn.datasets import load_wine
from typing_extensions import Annotated
from zenml import Model, get_step_context, load_artifact, pipeline, step


@step(enable_cache=False)
def predict() -> Annotated[List[int], "predictions"]:
    model = get_step_context().model
    classifier = model.load_artifact("classifier")
    frame = load_wine(as_frame=True).data[load_artifact("columns", version="first")]
    return [int(item) for item in classifier.predict(frame.head(3))]


@pipeline(model=Model(name="wine", version="1"))
def inference():
    predict()
""",
    "run.py": """\
import os

import click
from pipelines import inference, training
from zenml.client import Client
from zenml.logger import get_logger

logger = get_logger(__name__)


@click.command()
@click.option("--no-cache", is_flag=True, default=False)
@click.option("--register", is_flag=True, default=False)
@click.option("--inference-only", is_flag=True, default=False)
def main(no_cache: bool, register: bool, inference_only: bool):
    options = {"config_path": os.path.join(os.path.dirname(os.path.realpath(__file__)), "config", "training.yaml")}
    if no_cache:
        options["enable_cache"] = False
    if not inference_only:
        run = training.with_options(**options)(register=register)
        print("accuracy", run.steps["evaluate"].outputs["accuracy"].load())
        print("report", run.steps["report"].output.load().lines)
        print("url", run.steps["train"].run_metadata["experiment_tracker_url"].value)
    inference()
    print("predictions", Client().get_pipeline("inference").last_run.steps["predict"].output.load())
    logger.info("done")


if __name__ == "__main__":
    main()
""",
}


def write(folder: Path) -> Path:
    """Write the project and return its run.py."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "run.py"
