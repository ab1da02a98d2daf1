"""What the registry asks of a store, whichever way it is spoken to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from ....stacks.registries import LoggedModel, ModelVersion, RegisteredModel, TrackedRun


class RegistryBackend(Protocol):
    """A store of models and runs; names, aliases and tags were checked before it is asked."""

    def models(self, limit: int) -> list[RegisteredModel]:
        """Return the models by name."""

    def model(self, name: str) -> RegisteredModel:
        """Return one model."""

    def versions(self, name: str, limit: int) -> list[ModelVersion]:
        """Return the versions of a model, the newest first."""

    def version(self, name: str, number: int) -> ModelVersion:
        """Return one version."""

    def register(
        self, name: str, model: LoggedModel, description: str, tags: Mapping[str, str]
    ) -> ModelVersion:
        """Make a version, and the model when there is none."""

    def set_description(self, name: str, text: str, version: int | None) -> None:
        """Describe a model or a version."""

    def set_tags(self, name: str, tags: Mapping[str, str | None], version: int | None) -> None:
        """Set and remove tags of a model or a version."""

    def set_alias(self, name: str, alias: str, version: int | None) -> None:
        """Point an alias at a version, or remove it."""

    def leave_stage(self, name: str, version: int) -> None:
        """Take a version's stage of MLflow 2 away."""

    def delete(self, name: str, version: int | None) -> None:
        """Delete a model or a version."""

    def run(self, run_id: str) -> TrackedRun:
        """Return a run."""

    def runs(self, run_ids: Sequence[str]) -> dict[str, TrackedRun]:
        """Return the runs that exist."""

    def runs_of(self, mlx_run_id: str) -> list[TrackedRun]:
        """Return the runs with our run's id, the oldest first."""

    def logged_models(self, run_ids: Sequence[str]) -> list[LoggedModel]:
        """Return the models of runs that MLflow 3 logged, in any order."""

    def models_of(self, runs: Sequence[TrackedRun], at_once: bool) -> list[LoggedModel]:
        """Return the same of runs that are known; `at_once` leaves out what would take a request for a single model."""

    def files_of_run(self, run_id: str, path: str) -> list[tuple[str, bool]]:
        """Return what a folder of a run's artifacts holds: each path inside the run, and whether it is a folder."""

    def location(self, name: str, version: int) -> str:
        """Return where the files of a version are."""

    def location_of_run(self, run_id: str) -> str:
        """Return where the artifacts of a run are."""

    def location_of_model(self, model_id: str) -> str:
        """Return where the files of a logged model are."""
