"""Registering and serving as ZenML's steps and its deployer are called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from ..deployments import sdk
from ..deployments import steps as serving
from ..errors import UsageError
from ..models.steps import RegisteredVersion
from ..models.steps import mlflow_register_model_step as register
from .decorators import step
from .notes import note
from .pages import only

_DEPLOYER_STEPS = (
    "mlflow_model_deployer_step",
    "mlflow_model_registry_deployer_step",
    "model_deployer",
    "deployer",
)
_FILTERS = ("name", "model_name", "model_version", "running", "pipeline_name", "pipeline_step_name")
_ALIKE = {"service_name": "name"}
_LOGGED_AS = "model"  # the name that ZenML's steps log and ask for unless told


class MLFlowDeploymentConfig(sdk.MLFlowDeploymentConfig):
    """How a model is to be served; what names the place it came from is known without being told."""

    def __init__(self, **options: Any) -> None:
        for key in (
            "pipeline_name",
            "pipeline_step_name",
            "run_name",
            "run_id",
            "registry_model_name",
            "description",
        ):
            options.pop(key, None)
        if options.pop("mlserver", False):
            note("MLFlowDeploymentConfig(mlserver=True) has no effect: MLflow has given it up")
        super().__init__(**options)


class MLFlowModelDeployer(sdk.MLFlowModelDeployer):
    """Deploys registered models, and finds what is deployed."""

    flavor = "mlflow"

    def find_model_server(self, *given: Any, **asked: Any) -> list[sdk.ModelServer]:
        """Return the deployments that are all of what is asked for, by name; raises UsageError.

        A deployment is known by the step that trained its model; the name of the step that deployed it is as good. And
        `model`, the name under which ZenML's steps log every model, stands for whatever the pipeline registered.
        """
        wanted = _wanted(given, asked)
        if wanted.get("pipeline_step_name") in _DEPLOYER_STEPS:
            del wanted["pipeline_step_name"]
        if wanted.get("model_name") == _LOGGED_AS and "pipeline_name" in wanted:
            del wanted["model_name"]
        known = {key: wanted.pop(key) for key in _FILTERS if key in wanted}
        only("find_model_server", wanted)
        return super().find_model_server(**known)

    def list_model_servers(self) -> list[sdk.ModelServer]:
        """Return every deployment."""
        return self.find_model_server()


@step(enable_cache=False, experiment_tracker=False)  # type: ignore[untyped-decorator]
def mlflow_register_model_step(
    model: Any = None,
    name: str | None = None,
    version: str | None = None,
    trained_model_name: str | None = None,
    model_source_uri: str | None = None,
    experiment_name: str | None = None,
    run_name: str | None = None,
    run_id: str | None = None,
    description: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Annotated[RegisteredVersion, "model_version"]:
    """Register the model that a step of this run logged to MLflow."""
    _known_already(experiment_name, run_name)
    return register.function(
        model, name, version, description, metadata, trained_model_name, model_source_uri, run_id
    )


@step(enable_cache=False, experiment_tracker=False)  # type: ignore[untyped-decorator]
def mlflow_model_deployer_step(
    model: Any,
    deploy_decision: bool = True,
    experiment_name: str | None = None,
    run_name: str | None = None,
    model_name: str = _LOGGED_AS,
    workers: int = 1,
    mlserver: bool = False,
    timeout: int = 60,
) -> Annotated[Any, "server"]:
    """Serve the model of this run, which is registered first; without `deploy_decision` what is served stays as it is."""
    _known_already(experiment_name, run_name)
    if mlserver:
        note("mlserver=True has no effect: MLflow has given it up")
    return serving.mlflow_model_deployer_step.function(
        model, deploy_decision, model_name=None if model_name == _LOGGED_AS else model_name, workers=workers,
        timeout=timeout,
    )  # fmt: skip


@step(enable_cache=False, experiment_tracker=False)  # type: ignore[untyped-decorator]
def mlflow_model_registry_deployer_step(
    registry_model_name: str,
    registry_model_version: str | int | None = None,
    registry_model_stage: Any = None,
    replace_existing: bool = True,
    model_name: str | None = None,
    workers: int = 1,
    mlserver: bool = False,
    timeout: int = 60,
) -> Annotated[Any, "server"]:
    """Serve a version of the registry, by its number, its version tag or its stage."""
    if not replace_existing:
        note("replace_existing=False has no effect: a deployment takes the version that it is asked for")
    if mlserver:
        note("mlserver=True has no effect: MLflow has given it up")
    version = None if registry_model_version is None else str(registry_model_version)
    stage = (
        None
        if registry_model_stage is None
        else str(getattr(registry_model_stage, "value", registry_model_stage))
    )
    return serving.mlflow_model_registry_deployer_step.function(
        registry_model_name, version, stage, name=model_name, workers=workers, timeout=timeout
    )


def _wanted(given: Sequence[Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return by name what `find_model_server` was called with; None asks for nothing, nor does False, ZenML's default."""
    function = "find_model_server"
    if len(given) > len(_FILTERS):
        raise UsageError(f"{function} takes at most {len(_FILTERS)} arguments without a name")
    if given and not isinstance(
        given[0], (str, type(None))
    ):  # which is the first has changed from ZenML to ZenML
        raise UsageError(
            f"{function}({given[0]!r}) is not supported by mlx: its first argument is a name",
            hint=f"{function}(running=True, model_name=NAME)",
        )
    wanted: dict[str, Any] = {}
    for key, value in (*zip(_FILTERS, given, strict=False), *asked.items()):
        name = _ALIKE.get(key, key)
        if value is None or value is False:
            continue
        if name in wanted:
            raise UsageError(f"{function}({name}=...) is given twice")
        wanted[name] = value
    return wanted


def _known_already(experiment_name: str | None, run_name: str | None) -> None:
    if experiment_name or run_name:
        note("experiment_name and run_name have no effect: the run that logged the model is known")
