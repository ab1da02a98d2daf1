"""Deployments from a pipeline and from Python, under the names that ZenML gave them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config.paths import Project, find_project, project_at
from ..dataclass import dataclass
from ..errors import AlreadyExistsError, UsageError
from ..stacks.deployers import ANSWERS
from .entries import DEFAULT_MAX_BODY, DeploymentEntry

if TYPE_CHECKING:
    from .records import DeploymentRecord
    from .service import DeploymentService


@dataclass(frozen=True)
class MLFlowDeploymentConfig:
    """How a model is to be served; `timeout` in seconds, `max_body` in bytes, `token` a reference `<<secret.key>>`."""

    name: str | None = None
    model_name: str | None = None
    model_version: str | int | None = None
    model_uri: str | None = None
    workers: int = 1
    timeout: float = 60.0
    port: int = 0
    host: str = "127.0.0.1"
    token: str | None = None
    max_body: int = DEFAULT_MAX_BODY
    ignore_requirements: bool = False


@dataclass(frozen=True)
class ModelServer:
    """A deployment by name, of the project with this configuration file; a step may return it.

    `served` is the version that it served when this was made, so that a step which is given a server runs again
    once another version is behind it; `model_version` is the one it serves now.
    """

    name: str
    config_path: str
    served: str = ""

    @property
    def status(self) -> DeploymentRecord:
        """What is served right now: `.state`, `.reason`, `.pid` and the rest."""
        return self._service.get(self.name)

    @property
    def is_running(self) -> bool:
        """Say whether it answers requests."""
        return self.status.state in ANSWERS

    @property
    def prediction_url(self) -> str | None:
        """The address to send rows to; None when it does not run."""
        found = self.status
        return found.prediction_url if found.state in ANSWERS else None

    @property
    def model_name(self) -> str:
        """The name of the model that it serves."""
        return self.status.model

    @property
    def model_version(self) -> int | None:
        """The version that it serves."""
        return self.status.version

    def predict(self, data: Any, *, timeout: float = 60.0) -> Any:
        """Return predictions for rows, records, an array or a table: an array for the latter two, else plain values."""
        from ..pipelines.handles import value_of
        from .values import body_of, returned

        data = value_of(data)
        return returned(self._service.predict(self.name, body_of(data), timeout=timeout), data)

    def start(self, timeout: float | None = None) -> ModelServer:
        """Serve again, if it does not; `timeout` is how many seconds it may take, from now on, and 0 does not wait."""
        self._service.start(self.name, wait=timeout != 0, ready_within=timeout or None)
        return self

    def stop(self, timeout: float | None = None) -> None:
        """Stop serving, after the requests that are being answered, for `timeout` seconds at most."""
        self._service.stop(self.name, within=timeout)

    @property
    def _service(self) -> DeploymentService:
        from .service import DeploymentService

        return DeploymentService(project_at(Path(self.config_path)))


class MLFlowModelDeployer:
    """Deploys registered models, and finds what is deployed."""

    def __init__(self, project: Project | None = None) -> None:
        from ..pipelines.session import current_session

        session = current_session()
        self.project = project or (session.project if session else find_project())
        is_here = session is not None and self.project == session.project
        self._stack = session.stack_name if session and is_here else None
        self._tracker = session.forced_tracker if session and is_here else None

    @classmethod
    def get_active_model_deployer(cls) -> MLFlowModelDeployer:
        """Return the deployer of the active stack."""
        return cls()

    def deploy_model(
        self,
        model: Any = None,
        name: str | None = None,
        config: MLFlowDeploymentConfig | None = None,
        replace: bool = True,
        timeout: float | None = None,
    ) -> ModelServer:
        """Serve a model under a name, whatever is served under it now.

        `model` is a registered version, a step's output that is one, or a reference such as `iris@production`.
        The same version is left as it is, and started when it does not run; another version takes its place without
        a failed request, unless `replace` is False. `timeout` in seconds is the config's unless given; 0 does not wait.
        """
        from ..pipelines.handles import value_of

        asked = config or MLFlowDeploymentConfig()
        model = value_of(model)
        reference = _reference(model, asked)
        name = name or asked.name or _name_for(reference)
        seconds = asked.timeout if timeout is None else timeout
        service = self._service(getattr(model, "tracker", "") or self._tracker)
        if name not in service.store.names():
            try:
                service.deploy(
                    reference, name, host=asked.host, port=asked.port, workers=asked.workers, token=asked.token,
                    max_body=asked.max_body, wait=seconds != 0, ready_within=seconds or MLFlowDeploymentConfig.timeout,
                    ignore_requirements=asked.ignore_requirements,
                )  # fmt: skip
                return self._server(name)
            except AlreadyExistsError:  # somebody else was first
                pass
        entry = service.entry(name)
        if config is not None:
            _check_same_address(entry, config)
        if not replace:
            _check_same_version(service, entry, reference)
        elif config is None:
            service.update(name, reference, ready_within=timeout or None)
        else:
            service.update(
                name, reference, workers=config.workers, max_body=config.max_body, ready_within=seconds or None,
                ignore_requirements=config.ignore_requirements,
            )  # fmt: skip
        if service.get(name).state not in ANSWERS:
            service.start(name, wait=seconds != 0)
        return self._server(name)

    def find_model_server(
        self,
        name: str | None = None,
        model_name: str | None = None,
        model_version: str | int | None = None,
        running: bool | None = None,
        pipeline_name: str | None = None,
        pipeline_step_name: str | None = None,
    ) -> list[ModelServer]:
        """Return the deployments that are all of what is asked for, by name."""
        wanted = {
            "name": name, "model": model_name, "pipeline": pipeline_name, "step": pipeline_step_name,
            "version": None if model_version is None else str(model_version),
        }  # fmt: skip
        return [
            self._server(record.name)
            for record in self._service().list(follow=False)
            if all(value is None or str(getattr(record, key)) == value for key, value in wanted.items())
            and running in (None, record.state in ANSWERS)
        ]

    def _service(self, tracker: str | None = None) -> DeploymentService:
        from .service import DeploymentService

        return DeploymentService(self.project, self._stack, tracker=tracker)

    def _server(self, name: str) -> ModelServer:
        entry = self._service().entry(name)
        return ModelServer(name, str(self.project.config_path), f"{entry.model}:{entry.version}")


def _reference(model: Any, config: MLFlowDeploymentConfig) -> str:
    """Return what is to be served as a reference."""
    if model is None:
        if config.model_uri:
            return config.model_uri
        if not config.model_name:
            raise UsageError(
                "deploy_model needs a model", hint='deploy_model(name="d", model="NAME:VERSION")'
            )
        return (
            config.model_name
            if config.model_version is None
            else f"{config.model_name}:{config.model_version}"
        )
    if isinstance(model, str):
        return model
    name, version = getattr(model, "name", None), getattr(model, "version", None)
    if isinstance(name, str) and isinstance(version, (str, int)) and str(version):
        return f"{name}:{version}"
    raise UsageError(
        f"a {type(model).__name__} is no registered model: deploy_model takes what mlflow_register_model_step returns, "
        "or a reference such as iris@production",
        hint="mlflow_register_model_step(model=model, name=NAME)",
    )


def _name_for(reference: str) -> str:
    from ..models.references import parse
    from .addresses import name_for

    return name_for(parse(reference).name)


def _check_same_address(entry: DeploymentEntry, config: MLFlowDeploymentConfig) -> None:
    """Refuse what an update cannot change: it would be dropped in silence, the token first of all."""
    from .token import check_token

    differs = [
        what
        for what, is_same in (
            ("host", config.host == entry.host),
            ("port", config.port in (0, entry.port, entry.served_port)),
            ("token", check_token(config.token) == entry.token),
        )
        if not is_same
    ]
    if differs:
        raise AlreadyExistsError(
            f"deployment {entry.name!r} exists with another {' and '.join(differs)}",
            hint=f"mlx deployment delete {entry.name}",
        )


def _check_same_version(service: DeploymentService, entry: DeploymentEntry, reference: str) -> None:
    from .following import names_served

    if names_served(reference, entry):
        return
    version = service.version_of(reference, entry)
    if (version.name, version.version) != (entry.model, entry.version):
        raise AlreadyExistsError(
            f"deployment {entry.name!r} serves {entry.model}:{entry.version}, and replace=False",
            hint=f"mlx deployment update {entry.name} --model {version.reference}",
        )
