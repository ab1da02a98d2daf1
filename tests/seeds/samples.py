"""The samples of the documents that `mlx` sets out to run, as they stand there: with ZenML's imports and its command.

What the documents leave as `...` or `<...>`, or use without having imported it, is filled in by the tests, and
scikit-learn stands where they say TensorFlow.
"""

# The shell that the commands of the documents are pasted into.
ZENML_IS_MLX = 'zenml() { mlx "$@"; }\n'

BLOG_SIMPLE = """
from zenml import pipeline, step
import mlflow

@step(experiment_tracker="mlflow_tracker")
def train_model():
    mlflow.sklearn.autolog()

    # Your model training code here

    mlflow.log_param("learning_rate", 0.01)
    mlflow.log_metric("accuracy", 0.95)

@pipeline
def ml_pipeline():
    train_model()

ml_pipeline()
"""

BLOG_REPRODUCIBLE = """
from zenml import pipeline, step
import mlflow

@step(experiment_tracker="mlflow_tracker")
def train_model(learning_rate: float, num_epochs: int):
    mlflow.log_param("learning_rate", learning_rate)
    mlflow.log_param("num_epochs", num_epochs)

    # Your model training code here
    accuracy = 0.95  # placeholder for actual accuracy

    mlflow.log_metric("accuracy", accuracy)

    return accuracy

@pipeline
def reproducible_pipeline(learning_rate: float = 0.01, num_epochs: int = 10):
    accuracy = train_model(learning_rate, num_epochs)
    print(f"Model trained with accuracy: {accuracy}")

# Run the pipeline multiple times with different parameters
reproducible_pipeline()
reproducible_pipeline(learning_rate=0.001, num_epochs=20)
"""

DATA_STEP = """
import numpy as np
from typing import Annotated
from zenml import pipeline, step

@step
def load_data() -> tuple[Annotated[np.ndarray, "x_train"], Annotated[np.ndarray, "y_train"]]:
    from sklearn.datasets import load_iris
    x, y = load_iris(return_X_y=True)
    return x, y
"""

DOCS_TRAINER = '''
import mlflow
from sklearn.linear_model import LogisticRegression


@step(experiment_tracker="mlflow_tracker")
def tf_trainer(
    x_train: np.ndarray,
    y_train: np.ndarray,
) -> LogisticRegression:
    """Train a neural net from scratch to recognize MNIST digits return our
    model or the learner"""

    model = LogisticRegression(max_iter=500)

    mlflow.sklearn.autolog(log_models=False)

    model.fit(x_train, y_train)

    # log additional information to MLflow explicitly if needed

    mlflow.log_param("note", "explicit")
    mlflow.log_metric("rows", len(x_train))
    mlflow.log_artifact(__file__)

    return model

@pipeline
def training():
    x_train, y_train = load_data()
    tf_trainer(x_train, y_train)

training()
'''

DOCS_ACTIVE_TRACKER = """
from zenml import pipeline, step
from zenml.client import Client
import mlflow

experiment_tracker = Client().active_stack.experiment_tracker

@step(experiment_tracker=experiment_tracker.name)
def tf_trainer():
    mlflow.log_metric("seen", 1)

@pipeline
def by_name():
    tf_trainer()

by_name()
"""

DOCS_URL = """
from zenml.client import Client

client = Client()

last_run = client.get_pipeline("training").last_run
trainer_step = last_run.get_step("tf_trainer")
tracking_url = trainer_step.run_metadata["experiment_tracker_url"].value
print(tracking_url)
"""

DOCS_SETTINGS = """
import mlflow
from zenml.integrations.mlflow.flavors.mlflow_experiment_tracker_flavor import MLFlowExperimentTrackerSettings

mlflow_settings = MLFlowExperimentTrackerSettings(
    nested=True,
    tags={"key": "value"}
)


@step(
    experiment_tracker="mlflow_tracker",
    settings={
        "experiment_tracker.mlflow": mlflow_settings
    }
)
def step_one(
    data: np.ndarray,
) -> np.ndarray:
    mlflow.log_metric("rows", len(data))
    return data

@pipeline
def with_settings():
    x_train, _ = load_data()
    step_one(x_train)

with_settings()
"""

# The shell commands of the three documents. They are run as they are pasted: with `...`, with blanks after a backslash, with `{{...}}` unquoted.
SHELL_LOCAL = """
zenml integration install mlflow -y
# Register the MLflow experiment tracker
zenml experiment-tracker register mlflow_experiment_tracker --flavor=mlflow

# Register and set a stack with the new experiment tracker
zenml stack register custom_stack -e mlflow_experiment_tracker ... --set
"""

SHELL_BASIC = """
# Register the MLflow experiment tracker
zenml experiment-tracker register mlflow_experiment_tracker --flavor=mlflow \\\x20
    --tracking_uri=URI --tracking_token=token
"""

SHELL_SECRET = """
# Create a secret called `mlflow_secret` with key-value pairs for the
# username and password to authenticate with the MLflow tracking server
zenml secret create mlflow_secret \\
    --username=USERNAME \\
    --password=PASSWORD

# Reference the username and password in our experiment tracker component
zenml experiment-tracker register mlflow \\
    --flavor=mlflow \\
    --tracking_username={{mlflow_secret.username}} \\
    --tracking_password={{mlflow_secret.password}} \\
    ...
"""

SHELL_SECRETS_MANAGER = """
# Register a secret called `mlflow_secret` with key-value pairs for the
# username and password to authenticate with the MLflow tracking server
zenml secrets-manager secret register mlflow_secret \\
    --username=USERNAME \\
    --password=PASSWORD
"""

SHELL_DEPLOY = """
# optionally assigning an existing bucket to the MLflow Experiment Tracker
zenml experiment-tracker deploy mlflow_tracker --flavor=mlflow -x mlflow_bucket=gs://my_bucket --provider=docker
"""

# The blog's pipeline from training to serving. What the blog leaves as `...` is a linear model and a configuration
# that says nothing.
BLOG_DEPLOY = """
import mlflow
from sklearn.linear_model import LinearRegression

from zenml import pipeline, step
from zenml.integrations.mlflow.steps import mlflow_register_model_step
from zenml.integrations.mlflow.model_deployers import MLFlowModelDeployer
from zenml.integrations.mlflow.services import MLFlowDeploymentConfig

@step
def train_and_log_model():
    # Train your model here
    model = LinearRegression().fit([[0.0], [1.0]], [0.0, SLOPE])

    # Log the model to MLflow
    mlflow.sklearn.log_model(model, "model")
    return model

@pipeline
def train_register_deploy_pipeline():
    model = train_and_log_model()

    # Register the model in MLflow Model Registry
    registered_model = mlflow_register_model_step(
        model=model,
        name="my-awesome-model",
        version="1.0.0"
    )

    # Deploy the registered model
    MLFlowModelDeployer().deploy_model(
        name="my-awesome-model-deployment",
        model=registered_model,
        config=MLFlowDeploymentConfig()
    )

# Run the pipeline
train_register_deploy_pipeline()
"""

# What the document says of local MLflow, and a file that it can be said of.
SHELL_UI = """
mlflow ui --backend-store-uri <TRACKING_URL>
"""

LOGGED = """
import mlflow
from zenml import pipeline, step

@step(experiment_tracker="mlflow_tracker")
def logs():
    mlflow.log_metric("seen", 1)

@pipeline
def logged():
    logs()

logged()
"""

LOGGED_WHERE = """
from zenml.client import Client
from zenml.integrations.mlflow.mlflow_utils import get_tracking_uri

print(get_tracking_uri())
print(Client().get_pipeline("logged").last_run.get_step("logs").run_metadata["experiment_tracker_url"].value)
"""
