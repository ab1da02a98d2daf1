"""`zenml.client.Client`: the client of ours with the calls that ZenML's has for the same questions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..client import ActiveStack as OwnStack
from ..client import Client as OwnClient
from ..errors import UsageError, did_you_mean
from ..pipelines import named
from ..records import ComponentRecord
from ..runs.views import ArtifactView, RunView
from .components import Component, MLFlowExperimentTracker, MLFlowModelRegistry
from .modules import UnsupportedNameError
from .serving import MLFlowModelDeployer

_FLAVORS: dict[tuple[str, str], type[Component]] = {
    ("experiment_tracker", "mlflow"): MLFlowExperimentTracker,
    ("model_registry", "mlflow"): MLFlowModelRegistry,
}
_ELSEWHERE = {
    "get_model": "mlx model describe NAME",
    "list_models": "mlx model list",
    "get_model_version": "mlx model describe NAME:VERSION",
    "list_model_versions": "mlx model versions NAME",
    "delete_pipeline_run": "mlx runs delete RUN",
    "list_secrets": "mlx secret list",
    "create_secret": "mlx secret create NAME --KEY",
    "list_stacks": "mlx stack list",
    "list_pipelines": "mlx pipeline list",
    "activate_stack": "mlx stack set NAME",
    "get_schedule": "mlx run FILE, from cron or CI",
    "list_schedules": "mlx run FILE, from cron or CI",
}


class ActiveStack:
    """The active stack, with components that can be asked things."""

    def __init__(self, stack: OwnStack, client: Client) -> None:
        self._stack = stack
        self._client = client
        self.name = stack.name
        self.id = stack.name

    @property
    def components(self) -> dict[str, Any]:
        """The components by kind."""
        return {kind: self._component(kind) for kind in self._stack.components}

    @property
    def experiment_tracker(self) -> Any:
        """The experiment tracker, or None."""
        return self._component("experiment_tracker")

    @property
    def artifact_store(self) -> Any:
        """The artifact store."""
        return ArtifactStoreComponent(self._stack.components["artifact_store"], self._client)

    @property
    def orchestrator(self) -> Any:
        """The orchestrator."""
        return self._component("orchestrator")

    @property
    def model_registry(self) -> Any:
        """The model registry, that of the tracker when the stack names none."""
        implied = ComponentRecord("default", "model_registry", "mlflow")
        return self._component("model_registry") or (
            MLFlowModelRegistry(implied, self._client) if self._has_mlflow() else None
        )

    @property
    def model_deployer(self) -> MLFlowModelDeployer | None:
        """What serves models on this machine, when there is an MLflow tracker to take them from."""
        return MLFlowModelDeployer() if self._has_mlflow() else None

    def _has_mlflow(self) -> bool:
        tracker = self._stack.components.get("experiment_tracker")
        return tracker is not None and tracker.flavor == "mlflow"

    def _component(self, kind: str) -> Any:
        record = self._stack.components.get(kind)
        if record is None:
            return None
        return _FLAVORS.get((kind, record.flavor), Component)(record, self._client)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in (
            "container_registry",
            "step_operator",
            "feature_store",
            "alerter",
            "annotator",
            "data_validator",
            "image_builder",
        ):
            return None
        raise AttributeError(f"a stack has no {name!r} in mlx")


class ArtifactStoreComponent(Component):
    """The artifact store."""

    @property
    def path(self) -> str:
        """Where it is."""
        return str(self._client.session.store.location)


class Client(OwnClient):
    """Everything that `mlx` can do, under ZenML's names as far as it has them."""

    @property
    def active_stack(self) -> ActiveStack:  # type: ignore[override]
        """The active stack."""
        return ActiveStack(super().active_stack, self)

    @property
    def active_stack_model(self) -> ActiveStack:
        """The active stack."""
        return self.active_stack

    def get_pipeline_run(  # type: ignore[override]
        self, name_id_or_prefix: str = "latest", **_: Any
    ) -> RunView:
        """Return a run by id, name or the start of its id."""
        return super().get_pipeline_run(str(name_id_or_prefix))

    get_run = get_pipeline_run  # type: ignore[assignment]

    def list_pipeline_runs(
        self, *, size: int = 20, name: str | None = None, pipeline_name: str | None = None,
        pipeline: str | None = None, status: str | None = None, sort_by: str = "desc:created", **filters: Any,
    ) -> list[RunView]:  # fmt: skip
        """Return runs, the newest first; `pipeline_name`, `name` and `status` narrow them, `size` counts them."""
        for key, value in filters.items():
            if value is not None and key not in ("hydrate", "page"):
                raise UsageError(
                    f"list_pipeline_runs({key}=...) is not supported by mlx", hint="mlx runs list --where ..."
                )
        listed = self.runs.list(limit=size, pipeline=pipeline_name or pipeline, status=_value(status))
        views = [
            RunView(self.history, self.session.store, item) for item in listed if name in (None, item.name)
        ]
        return views[::-1] if str(sort_by).startswith("asc") else views

    def get_artifact_version(
        self, name_id_or_prefix: str, version: str | int | None = None, **_: Any
    ) -> ArtifactView:
        """Return an artifact by name (the newest, or that version) or digest."""
        return named.get_artifact(str(name_id_or_prefix), version)

    def list_artifact_versions(
        self, *, name: str | None = None, size: int = 20, **_: Any
    ) -> list[ArtifactView]:
        """Return artifacts (of that name), the newest first."""
        listed: Sequence[Any] = self.runs.artifacts(limit=500)
        chosen = [item for item in listed if name in (None, item.name.rpartition("::")[2])][:size]
        return [
            ArtifactView(self.runs.artifact(item.name, item.run)[1], self.session.store) for item in chosen
        ]

    def get_secret(self, name_id_or_prefix: str, **_: Any) -> Secret:
        """Return a secret; its values are read when they are asked for."""
        return Secret(str(name_id_or_prefix), self.secrets)

    def get_step_run(self, *_: Any, **__: Any) -> None:
        """Refuse: a step belongs to a run."""
        raise UsageError(
            "Client().get_step_run() is not supported by mlx",
            hint="Client().get_pipeline_run(RUN).steps[STEP]",
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        near = did_you_mean(name, [item for item in dir(type(self)) if not item.startswith("_")])
        raise UnsupportedNameError(
            f"Client().{name} is not supported by mlx{near}", hint=_ELSEWHERE.get(name)
        )


class Secret:
    """A secret by name."""

    def __init__(self, name: str, service: Any) -> None:
        self.name = name
        self._service = service
        self.keys = service.get(name).keys

    @property
    def secret_values(self) -> dict[str, str]:
        """The values by key; what a run prints of them is masked."""
        from ..secrets.masking import register

        values = dict(self._service.reveal(self.name))
        for value in values.values():
            register(value)
        return values

    def __repr__(self) -> str:
        return f"<secret {self.name}>"


def _value(status: Any) -> str | None:
    return None if status is None else str(getattr(status, "value", status))
