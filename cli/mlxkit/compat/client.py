"""`zenml.client.Client`: the client of ours with the calls that ZenML's has for the same questions."""

from __future__ import annotations

from typing import Any

from ..client import ActiveStack as OwnStack
from ..client import Client as OwnClient
from ..errors import UsageError, did_you_mean
from ..pipelines import named
from ..records import ComponentRecord
from ..runs.pages import PageRequest, page_of_outputs, page_of_runs
from ..runs.records import artifact_of
from ..runs.views import ArtifactView, Origin, RunView
from .components import Component, MLFlowExperimentTracker, MLFlowModelRegistry
from .modules import UnsupportedNameError
from .pages import ARTIFACTS, RUNS, Page, only
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
        self, name_id_or_prefix: str = "latest", allow_name_prefix_match: bool = True, **more: Any
    ) -> RunView:
        """Return a run by id, name or the start of its id."""
        only("get_pipeline_run", more)
        return super().get_pipeline_run(str(name_id_or_prefix))

    get_run = get_pipeline_run  # type: ignore[assignment]

    def list_pipeline_runs(self, **filters: Any) -> Page[RunView]:
        """Return a page of runs, the newest first; `pipeline_name`, `name`, `status` and the like narrow them."""

        def find(wanted: PageRequest) -> tuple[int, list[RunView]]:
            total, runs = page_of_runs(self.history, wanted)
            return total, [RunView(self.history, self.store_of(run.id), run) for run in runs]

        return RUNS.page(filters, find)

    def get_artifact_version(
        self, name_id_or_prefix: str, version: str | int | None = None, **more: Any
    ) -> ArtifactView:
        """Return an artifact by name (the newest, or that version) or digest."""
        only("get_artifact_version", more)
        return named.get_artifact(str(name_id_or_prefix), version)

    def list_artifact_versions(self, **filters: Any) -> Page[ArtifactView]:
        """Return a page of artifacts, the newest first; `name`, `version`, `tags` and the like narrow them."""
        run = filters.get("pipeline_run") or filters.get("run")
        if run is not None:
            key = "pipeline_run" if filters.get("pipeline_run") else "run"
            filters = {**filters, key: self.runs.get(str(getattr(run, "id", run))).id}

        def find(wanted: PageRequest) -> tuple[int, list[ArtifactView]]:
            total, found = page_of_outputs(self.history, wanted, with_cached=run is not None)
            return total, [
                ArtifactView(
                    item.output, self.store_of(item.run, artifact_of(item.output)), item.notes, Origin(item.run, item.step)
                )
                for item in found
            ]  # fmt: skip

        return ARTIFACTS.page(filters, find)

    def get_secret(self, name_id_or_prefix: str, **more: Any) -> Secret:
        """Return a secret; its values are read when they are asked for."""
        only("get_secret", {key: value for key, value in more.items() if not key.startswith("allow_partial")})
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
        for key, value in values.items():
            register(value, key)
        return values

    def __repr__(self) -> str:
        return f"<secret {self.name}>"
