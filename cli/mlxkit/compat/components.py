"""Components of the active stack as ZenML's objects: what a file asks a tracker or a registry for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..client import Client
from ..errors import ConfigError, UsageError
from ..models.records import VersionRecord
from ..records import ComponentRecord
from ..runs.metadata import Metadata
from ..stacks.addresses import bare_address


class Component:
    """A component of a stack: its name, flavor and attributes, with references unresolved."""

    def __init__(self, record: ComponentRecord, client: Client) -> None:
        self._record = record
        self._client = client

    @property
    def name(self) -> str:
        """Its name."""
        return self._record.name

    @property
    def id(self) -> str:
        """Its name; names are what identifies things here."""
        return self._record.name

    @property
    def flavor(self) -> str:
        """Which implementation it is."""
        return self._record.flavor

    @property
    def type(self) -> str:
        """Its kind."""
        return self._record.kind

    @property
    def config(self) -> Metadata:
        """Its attributes."""
        return Metadata(self._record.attributes, f"{self._record.kind} {self.name!r}")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in self._record.attributes:
            return self._record.attributes[name]
        raise AttributeError(
            f"{self._record.kind.replace('_', ' ')} {self.name!r} ({self.flavor}) has no {name!r} in mlx"
        )

    def __repr__(self) -> str:
        return f"<{self._record.kind} {self.name}>"


class MLFlowExperimentTracker(Component):
    """An MLflow tracker."""

    def get_tracking_uri(self, as_plain_text: bool = True) -> str:
        """Return the address that MLflow is reached at, without credentials."""
        connection = self._client.session.tracker(self.name).connection
        return str(bare_address(connection.tracking_uri))

    @property
    def tracking_uri(self) -> str:
        """The address that MLflow is reached at."""
        return self.get_tracking_uri()

    def configure_mlflow(self) -> None:
        """Refuse: inside a tracked step MLflow is configured, and outside nothing is left behind."""
        raise UsageError(
            "configure_mlflow() is not supported by mlx: a step with an experiment_tracker has MLflow configured",
            hint="mlx exec -- COMMAND for any other program",
        )


class MLFlowModelRegistry(Component):
    """The MLflow registry of the stack."""

    def list_models(self) -> Sequence[Any]:
        """Return the registered models."""
        found: Sequence[Any] = self._client.models.list()
        return found

    def get_model(self, name: str) -> Any:
        """Return one registered model."""
        return self._client.models.describe(name)

    def list_model_versions(self, name: str, **filters: Any) -> list[VersionRecord]:
        """Return the versions of a model, the newest first; `stage` and `count` narrow them."""
        stage, count = filters.pop("stage", None), filters.pop("count", None)
        for key, value in filters.items():
            if value is not None:
                raise UsageError(
                    f"list_model_versions({key}=...) is not supported by mlx: it takes stage and count"
                )
        found = [
            item
            for item in self._client.models.versions(name)
            if stage is None or item.stage == str(getattr(stage, "value", stage)).lower()
        ]
        return found[:count]

    def get_latest_model_version(self, name: str, stage: Any = None) -> VersionRecord | None:
        """Return the newest version of a model (in that stage), or None."""
        return next(iter(self.list_model_versions(name, stage=stage)), None)

    def get_model_version(self, name: str, version: str | int) -> VersionRecord:
        """Return one version."""
        found: VersionRecord = self._client.models.get(f"{name}:{version}")
        return found

    def update_model_version(
        self,
        name: str,
        version: str | int,
        description: str | None = None,
        metadata: Any = None,
        remove_metadata: Sequence[str] | None = None,
        stage: Any = None,
    ) -> VersionRecord:
        """Describe, tag or promote a version."""
        reference = f"{name}:{version}"
        if description is not None:
            self._client.models.update(reference, description=description)
        if metadata or remove_metadata:
            tags = {key: str(value) for key, value in dict(metadata or {}).items()}
            self._client.models.tag(reference, tags, remove=list(remove_metadata or ()))
        if stage is not None:
            self._client.models.promote(reference, str(getattr(stage, "value", stage)).lower())
        return self.get_model_version(name, version)

    def delete_model_version(self, name: str, version: str | int) -> None:
        """Delete a version."""
        self._client.models.delete(f"{name}:{version}")

    def load_model_version(self, name: str, version: str | int) -> Any:
        """Refuse: the registry hands out files, not objects."""
        raise UsageError(
            "load_model_version() is not supported by mlx",
            hint=f'mlflow.pyfunc.load_model("models:/{name}/{version}") in a tracked step',
        )


def get_tracking_uri() -> str:
    """Return the address of the active stack's MLflow; raises ConfigError without a tracker."""
    from .client import Client as ZenClient

    tracker = ZenClient().active_stack.experiment_tracker
    if not isinstance(tracker, MLFlowExperimentTracker):
        raise ConfigError("the active stack has no MLflow tracker", hint="mlx stack update STACK -e TRACKER")
    return tracker.get_tracking_uri()
