"""The one table of ZenML's names: module, name in it, and where the thing is here.

A target that begins with a dot is `module:name` inside this package; anything else is the value itself.
"""

from __future__ import annotations

_DECORATORS, _SETTINGS, _ENUMS = ".compat.decorators", ".compat.settings", ".compat.enums"
_ARTIFACTS, _COMPONENTS, _MLFLOW = ".compat.artifacts", ".compat.components", ".mlflow"
_SERVING, _FILES, _TEXTS = ".compat.serving", ".compat.files", ".compat.texts"

_CORE = {
    "__version__": "._version:__version__",
    "pipeline": f"{_DECORATORS}:pipeline",
    "step": f"{_DECORATORS}:step",
    "get_step_context": ".pipelines.context:get_step_context",
    "get_pipeline_context": ".pipelines.context:get_pipeline_context",
    "log_metadata": f"{_ARTIFACTS}:log_metadata",
    "log_artifact_metadata": f"{_ARTIFACTS}:log_artifact_metadata",
    "log_model_metadata": f"{_ARTIFACTS}:log_model_metadata",
    "log_step_metadata": f"{_ARTIFACTS}:log_step_metadata",
    "save_artifact": f"{_ARTIFACTS}:save_artifact",
    "load_artifact": ".pipelines.named:load_artifact",
    "add_tags": f"{_ARTIFACTS}:add_tags",
    "ArtifactConfig": f"{_ARTIFACTS}:ArtifactConfig",
    "ExternalArtifact": f"{_ARTIFACTS}:ExternalArtifact",
    "Model": f"{_ARTIFACTS}:Model",
    "Tag": f"{_ARTIFACTS}:Tag",
}
_OLD = ".compat.oldstyle"
_STEP = {
    "step": f"{_OLD}:step",
    "BaseParameters": ".compat.legacy:BaseParameters",
    "Output": ".compat.legacy:Output",
}
_STEP_CONTEXT = {
    "get_step_context": _CORE["get_step_context"],
    "StepContext": ".pipelines.context:StepContext",
}
_RETRY = {"StepRetryConfig": ".pipelines.settings:StepRetryConfig"}
_DOCKER = {
    "DockerSettings": f"{_SETTINGS}:DockerSettings",
    "PythonPackageInstaller": f"{_SETTINGS}:PythonPackageInstaller",
}
_RESOURCES = {"ResourceSettings": ".pipelines.resources:ResourceSettings"}
_CLIENT = {"Client": ".compat.client:Client"}
_TRACKER = {"MLFlowExperimentTracker": f"{_COMPONENTS}:MLFlowExperimentTracker"}
_REGISTRY = {"MLFlowModelRegistry": f"{_COMPONENTS}:MLFlowModelRegistry"}
_TRACKER_FLAVOR = {
    "MLFlowExperimentTrackerSettings": f"{_MLFLOW}:MLFlowExperimentTrackerSettings",
}
_DEPLOYER = {"MLFlowModelDeployer": f"{_SERVING}:MLFlowModelDeployer"}
_SERVICES = {
    "MLFlowDeploymentConfig": f"{_SERVING}:MLFlowDeploymentConfig",
    "MLFlowDeploymentService": f"{_MLFLOW}:ModelServer",
}
_REGISTER_STEP = {"mlflow_register_model_step": f"{_SERVING}:mlflow_register_model_step"}
_DEPLOY_STEPS = {
    "mlflow_model_deployer_step": f"{_SERVING}:mlflow_model_deployer_step",
    "mlflow_model_registry_deployer_step": f"{_SERVING}:mlflow_model_registry_deployer_step",
}
_MATERIALIZER = {"BaseMaterializer": ".artifacts.materializers.base:BaseMaterializer"}
_STRINGS = {name: f"{_TEXTS}:{name}" for name in ("HTMLString", "MarkdownString", "CSVString", "JSONString")}
_LOGGER = {"get_logger": ".compat.loggers:get_logger"}
_FILEIO = {
    name: f"{_FILES}:{name}"
    for name in (
        "open", "exists", "isdir", "listdir", "makedirs", "mkdir", "remove", "rmtree", "rename", "copy", "glob",
        "size", "stat", "walk",
    )
}  # fmt: skip
_IO_UTILS = {
    name: f"{_FILES}:{name}"
    for name in (
        "create_dir_recursive_if_not_exists", "create_file_if_not_exists", "read_file_contents_as_string",
        "resolve_relative_path", "write_file_contents_as_string",
    )
}  # fmt: skip
_ENUM_NAMES = ("ArtifactType", "ExecutionStatus", "ModelStages", "StackComponentType")
_EXCEPTIONS = (
    "ZenKeyError",
    "EntityExistsError",
    "StackValidationError",
    "StepInterfaceError",
    "StepContextError",
)
_INTEGRATIONS = (
    "mlflow", "sklearn", "pandas", "numpy", "tensorflow", "pytorch", "xgboost", "lightgbm", "huggingface", "scipy",
    "polars", "pillow", "evidently", "deepchecks", "aws", "gcp", "azure", "s3", "kubeflow", "kubernetes",
)  # fmt: skip

ALIASES: dict[str, dict[str, str]] = {
    "zenml": _CORE,
    "zenml.client": _CLIENT,
    "zenml.logger": _LOGGER,
    "zenml.steps": {**_STEP, **_STEP_CONTEXT, **_RETRY},
    "zenml.steps.step_context": _STEP_CONTEXT,
    "zenml.steps.base_parameters": {"BaseParameters": _STEP["BaseParameters"]},
    "zenml.steps.step_output": {"Output": _STEP["Output"]},
    "zenml.steps.step_decorator": {"step": _STEP["step"]},
    "zenml.pipelines": {"pipeline": f"{_OLD}:pipeline", "Pipeline": ".pipelines.decorators:Pipeline"},
    "zenml.pipelines.pipeline_decorator": {"pipeline": f"{_OLD}:pipeline"},
    "zenml.pipelines.pipeline_context": {"get_pipeline_context": _CORE["get_pipeline_context"]},
    "zenml.new": {},
    "zenml.new.pipelines": {},
    "zenml.new.pipelines.pipeline": {"Pipeline": ".pipelines.decorators:Pipeline"},
    "zenml.new.pipelines.pipeline_decorator": {"pipeline": _CORE["pipeline"]},
    "zenml.new.pipelines.pipeline_context": {"get_pipeline_context": _CORE["get_pipeline_context"]},
    "zenml.new.steps": {},
    "zenml.new.steps.step_context": _STEP_CONTEXT,
    "zenml.new.steps.step_decorator": {"step": _CORE["step"]},
    "zenml.model": {"Model": _CORE["Model"]},
    "zenml.model.model": {"Model": _CORE["Model"]},
    "zenml.model.utils": {"log_model_metadata": _CORE["log_model_metadata"]},
    "zenml.artifacts": {},
    "zenml.artifacts.artifact_config": {"ArtifactConfig": _CORE["ArtifactConfig"]},
    "zenml.artifacts.external_artifact": {"ExternalArtifact": _CORE["ExternalArtifact"]},
    "zenml.artifacts.utils": {
        name: _CORE[name] for name in ("save_artifact", "load_artifact", "log_artifact_metadata")
    },
    "zenml.config": {**_DOCKER, **_RESOURCES, **_RETRY},
    "zenml.config.docker_settings": _DOCKER,
    "zenml.config.resource_settings": _RESOURCES,
    "zenml.config.retry_config": _RETRY,
    "zenml.materializers": _MATERIALIZER,
    "zenml.materializers.base_materializer": _MATERIALIZER,
    "zenml.enums": {name: f"{_ENUMS}:{name}" for name in _ENUM_NAMES},
    "zenml.types": _STRINGS,
    "zenml.metadata": {},
    "zenml.metadata.metadata_types": {
        name: f"{_TEXTS}:{name}" for name in ("MetadataType", "DType", "Path", "Uri", "StorageSize")
    },
    "zenml.constants": {
        "DEFAULT_SERVICE_START_STOP_TIMEOUT": ".compat.texts:SERVICE_TIMEOUT",
        "METADATA_EXPERIMENT_TRACKER_URL": "experiment_tracker_url",
        "MLFLOW_MODEL_FORMAT": "MLflow",
    },
    "zenml.exceptions": {name: f".compat.exceptions:{name}" for name in _EXCEPTIONS},
    "zenml.io": {},
    "zenml.io.fileio": _FILEIO,
    "zenml.utils": {},
    "zenml.utils.io_utils": _IO_UTILS,
    "zenml.utils.yaml_utils": {name: f"{_FILES}:{name}" for name in ("read_yaml", "write_yaml")},
    "zenml.services": {"BaseService": f"{_MLFLOW}:ModelServer"},
    "zenml.integrations": {},
    "zenml.integrations.constants": {name.upper(): name for name in _INTEGRATIONS},
    "zenml.integrations.mlflow": {},
    "zenml.integrations.mlflow.experiment_trackers": _TRACKER,
    "zenml.integrations.mlflow.experiment_trackers.mlflow_experiment_tracker": _TRACKER,
    "zenml.integrations.mlflow.flavors": {**_TRACKER_FLAVOR},
    "zenml.integrations.mlflow.flavors.mlflow_experiment_tracker_flavor": _TRACKER_FLAVOR,
    "zenml.integrations.mlflow.mlflow_utils": {"get_tracking_uri": f"{_COMPONENTS}:get_tracking_uri"},
    "zenml.integrations.mlflow.model_deployers": _DEPLOYER,
    "zenml.integrations.mlflow.model_deployers.mlflow_model_deployer": _DEPLOYER,
    "zenml.integrations.mlflow.model_registries": _REGISTRY,
    "zenml.integrations.mlflow.model_registries.mlflow_model_registry": _REGISTRY,
    "zenml.integrations.mlflow.services": _SERVICES,
    "zenml.integrations.mlflow.services.mlflow_deployment": _SERVICES,
    "zenml.integrations.mlflow.steps": {**_REGISTER_STEP, **_DEPLOY_STEPS},
    "zenml.integrations.mlflow.steps.mlflow_registry": _REGISTER_STEP,
    "zenml.integrations.mlflow.steps.mlflow_deployer": _DEPLOY_STEPS,
}

# What is not here, and what to do instead; the nearest name above counts.
REASONS: dict[str, str] = {
    "zenml.post_execution": "Client().get_pipeline(NAME).last_run gives runs, steps and outputs",
    "zenml.repository": "use zenml.client.Client",
    "zenml.config.schedule": "nothing here runs by the clock; let cron or CI call `mlx run`",
    "zenml.config.Schedule": "nothing here runs by the clock; let cron or CI call `mlx run`",
    "zenml.hooks": "there are no alerters; on_failure and on_success take a function of yours",
    "zenml.alerter": "there are no alerters; on_failure and on_success take a function of yours",
    "zenml.unmapped": "a pipeline body is ordinary Python; call the step in a loop",
    "zenml.get_secret": "Client().get_secret(NAME), or a reference <<secret.key>> in a component",
    "zenml.show": "mlx tracker ui",
    "zenml.link_artifact_to_model": "artifacts of a run belong to the model of its pipeline, @pipeline(model=...)",
    "zenml.log_artifact": "save_artifact",
    "zenml.deployers": "mlx model deploy serves a registered model",
    "zenml.zen_stores": "there is no server and no store to reach",
    "zenml.zen_server": "there is no server",
    "zenml.models": "runs, steps and artifacts are what Client() returns",
    "zenml.stack": "Client().active_stack gives the components",
    "zenml.orchestrators": "steps run on this machine",
    "zenml.cli": "write mlx in the place of zenml on the command line",
    "zenml.integrations": "of ZenML's integrations MLflow is here; other libraries are used inside steps as they are",
    "zenml.steps.BaseStep": "steps are functions with @step",
    "zenml.pipelines.BasePipeline": "pipelines are functions with @pipeline",
}
