"""A model as a pipeline speaks of it: a name that its runs share, and what they made and said under it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import did_you_mean
from ..records import plain
from ..runs.members import UnsupportedAttributeError

if TYPE_CHECKING:
    from ..runs.views import ArtifactView

RUN_KEY = "model"  # in the metadata of a run: the model that it is about
NOTES_KEY = "model_metadata"  # and what was logged to that model


@dataclass(frozen=True)
class Model:
    """What a pipeline or a step works on; given to `@pipeline` or `@step`, its runs are linked to it in history.

    Registered versions, their numbers and stages belong to the model registry: `Client().models`. A `version` here is a
    label of your own that runs carry; without one every run of the name counts, the newest first.
    """

    name: str
    version: str | int | None = None
    license: str | None = None
    description: str | None = None
    audience: str | None = None
    use_cases: str | None = None
    limitations: str | None = None
    trade_offs: str | None = None
    ethics: str | None = None
    tags: Sequence[str] = ()

    def described(self) -> dict[str, Any]:
        """Return what is known of it as plain data."""
        data = {
            "name": self.name, "version": None if self.version is None else str(self.version),
            "license": self.license, "description": self.description, "audience": self.audience,
            "use_cases": self.use_cases, "limitations": self.limitations, "trade_offs": self.trade_offs,
            "ethics": self.ethics, "tags": list(self.tags),
        }  # fmt: skip
        return {key: plain(value) for key, value in data.items() if value not in (None, [])}

    def load_artifact(self, name: str, version: str | None = None) -> Any:
        """Return the value of the newest artifact of that name among the runs of this model."""
        from .named import load_artifact

        return load_artifact(name, version, model=self)

    def get_artifact(self, name: str, version: str | None = None) -> ArtifactView:
        """Return the newest artifact of that name among the runs of this model; raises NotFoundError."""
        from .named import get_artifact

        return get_artifact(name, version, model=self)

    get_data_artifact = get_model_artifact = get_deployment_artifact = get_artifact

    def log_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Attach JSON-like metadata to this model, in the running run; raises UsageError outside one."""
        from .context import log_metadata

        log_metadata(metadata, model_name=self.name, model_version=self.version)

    @property
    def run_metadata(self) -> Mapping[str, Any]:
        """What its runs have logged to it; of a key that several logged, the newest value."""
        from ..runs.metadata import Metadata
        from .linked import metadata_of
        from .named import history_here

        return Metadata(metadata_of(history_here(), self), f"model {self.name!r}")

    def __getattr__(self, name: str) -> Any:
        if name in _ELSEWHERE:
            raise UnsupportedAttributeError(
                f"Model.{name} is not supported by mlx: numbers and stages of a model belong to the model registry",
                hint=_ELSEWHERE[name].format(name=self.name),
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


_ELSEWHERE = {
    "number": "mlx model versions {name}",
    "id": "mlx model describe {name}",
    "stage": "mlx model describe {name}",
    "set_stage": "mlx model promote {name}:VERSION --to STAGE",
    "delete_artifact": "mlx runs delete RUN",
    "delete_all_artifacts": "mlx runs prune",
    "model_id": "mlx model describe {name}",
    "get_pipeline_run": "mlx model lineage {name}",
    "_get_or_create_model_version": "mlx model register {name}",
}


def model_of(value: Model | str | Mapping[str, Any] | None, owner: str) -> Model | None:
    """Read what a decorator or a run.yaml says: a Model, its name, or a mapping."""
    from ..errors import ConfigError

    if value is None or isinstance(value, Model):
        return value
    if isinstance(value, str):
        return Model(value)
    known = Model.__dataclass_fields__
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
        raise ConfigError(f"{owner}: model has to be a Model or its name")
    for key in value:
        if key not in known:
            raise ConfigError(f"{owner}: model.{key}: unknown key{did_you_mean(str(key), known)}")
    return Model(**value)
