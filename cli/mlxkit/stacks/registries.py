"""Model registries: what is asked of one, what it answers with, and the one that a stack uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Protocol

from ..config.document import read_config
from ..config.paths import Project
from ..dataclass import dataclass
from ..errors import ConfigError
from ..records import Record
from ..secrets.service import SecretService
from .components import ComponentService
from .flavors import get_flavor, load
from .service import StackService

_REGISTRY, _TRACKER = "model_registry", "experiment_tracker"
_DEFAULT = "default"
ALL_VERSIONS = 2**31 - 1  # as a limit: no model has more


@dataclass(frozen=True)
class ModelVersion(Record):
    """One version of a model; `source` is where its files are, `legacy_stage` what MLflow 2 called its stage."""

    name: str
    version: int
    source: str = ""
    run_id: str = ""
    model_id: str = ""
    description: str = ""
    status: str = "READY"
    status_message: str = ""
    user: str = ""
    legacy_stage: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    created: float = 0.0
    updated: float = 0.0

    @property
    def reference(self) -> str:
        """The version as commands take it."""
        return f"{self.name}:{self.version}"


@dataclass(frozen=True)
class RegisteredModel(Record):
    """A model by name; times are seconds since the epoch, `aliases` maps an alias to its version.

    `newest` is the version with the number `latest`.
    """

    name: str
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)
    latest: int | None = None
    created: float = 0.0
    updated: float = 0.0
    newest: ModelVersion | None = None


@dataclass(frozen=True)
class TrackedRun(Record):
    """A run on the tracker, with the last value of every metric; a deleted one lies in the tracker's waste basket.

    `models` are the ids of the models that it says it logged.
    """

    run_id: str
    experiment_id: str
    name: str = ""
    status: str = ""
    started: float = 0.0
    ended: float | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    is_deleted: bool = False
    models: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoggedMetric:
    """A value that is tied to a logged model: `time` in milliseconds, `run_id` is the run that logged it."""

    name: str
    value: float
    run_id: str
    time: int
    step: int


@dataclass(frozen=True)
class LoggedModel(Record):
    """A model that a run logged; `uri` is what a version is registered from.

    `metrics` are the last values that are tied to the model itself, `measured` is all of them, the oldest first.
    """

    name: str
    uri: str
    run_id: str
    model_id: str = ""
    created: float = 0.0
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    measured: tuple[LoggedMetric, ...] = ()


class ModelRegistry(Protocol):
    """A flavor of kind `model_registry`; made from its component, the stack's tracker and the state folder.

    The folder may not exist: what only reads does not make it.

    Whatever is not there raises NotFoundError; a server that does not answer UnreachableError.
    """

    @property
    def tracker(self) -> str:
        """The name of the tracker that it works through."""

    def models(self, *, limit: int = 1000) -> list[RegisteredModel]:
        """Return the registered models by name."""

    def model(self, name: str) -> RegisteredModel:
        """Return one registered model."""

    def versions(self, name: str, *, limit: int = 1000) -> list[ModelVersion]:
        """Return the versions of a model, the newest first, each with its aliases."""

    def version(self, name: str, number: int) -> ModelVersion:
        """Return one version with its aliases."""

    def register(
        self, name: str, model: LoggedModel, *, description: str = "", tags: Mapping[str, str] | None = None
    ) -> ModelVersion:
        """Make a version from a logged model, and the registered model when there is none of that name."""

    def set_description(self, name: str, text: str, *, version: int | None = None) -> None:
        """Describe a model, or one version of it."""

    def set_tags(self, name: str, tags: Mapping[str, str | None], *, version: int | None = None) -> None:
        """Set tags of a model, or of one version; None removes one."""

    def set_alias(self, name: str, alias: str, version: int | None) -> None:
        """Point an alias at a version, away from the one that had it; None removes it."""

    def leave_stage(self, name: str, version: int) -> None:
        """Take the stage of MLflow 2 from a version, if it is in one."""

    def delete(self, name: str, *, version: int | None = None) -> None:
        """Delete a model with its versions, or one version."""

    def run(self, run_id: str) -> TrackedRun:
        """Return a run by the tracker's id."""

    def runs(self, run_ids: Sequence[str]) -> dict[str, TrackedRun]:
        """Return those runs that exist, by id; as few requests as the server allows."""

    def runs_of(self, mlx_run_id: str) -> list[TrackedRun]:
        """Return the runs that carry our run's id (tag `mlx.run_id`), the oldest first."""

    def logged_models(self, run_ids: Sequence[str]) -> list[LoggedModel]:
        """Return the models that runs logged, the oldest first."""

    def models_of(self, runs: Sequence[TrackedRun], *, at_once: bool = False) -> list[LoggedModel]:
        """Return what runs say that they logged, the oldest first; nothing is looked for among their artifacts.

        `at_once` leaves out runs with a single model, where each run would take a request of its own.
        """

    def read(self, version: ModelVersion, path: str) -> bytes | None:
        """Return one small file of a version (`MLmodel`, `requirements.txt`), or None when it has none."""

    def download(self, version: ModelVersion, target: Path) -> None:
        """Write the files of a version into a folder that does not exist yet; all of them, or none."""


def open_registry(
    project: Project,
    stack: str | None = None,
    *,
    tracker: str | None = None,
    waiting: Callable[[str], None] | None = None,
) -> ModelRegistry:
    """Return the registry of a stack, or of the active one; it is not asked for anything yet.

    A stack that names no registry and has an MLflow tracker uses that tracker's. `tracker` names another one than
    the stack's, `waiting` is told of anything that takes seconds. Raises ConfigError for a stack without a tracker that the registry could work through.
    """
    service = StackService(project)
    record, _ = service.active(stack)
    tracker_name, name = tracker or record.components.get(_TRACKER), record.components.get(_REGISTRY)
    config = read_config(project)
    if tracker_name is None:
        raise ConfigError(
            f"{config.where(config.stacks[record.name].line)}: stacks.{record.name}: a model registry works through "
            "an MLflow tracker, and the stack has none",
            hint=f"mlx stack update {record.name} -e TRACKER",
        )
    components, secrets = ComponentService(project), SecretService(project)
    through = components.resolved(_TRACKER, tracker_name, secrets)
    registry = components.resolved(_REGISTRY, name or _DEFAULT, secrets)
    if registry.flavor == "mlflow" and through.flavor != "mlflow":
        raise ConfigError(
            f"stacks.{record.name}: model registry {registry.name!r} works through an MLflow tracker, and tracker "
            f"{through.name!r} is of flavor {through.flavor!r}",
            hint=f"mlx stack update {record.name} -e TRACKER",
        )
    made: ModelRegistry = load(get_flavor(_REGISTRY, registry.flavor))(
        registry, through, project.state_dir, waiting=waiting or (lambda _: None)
    )
    return made
