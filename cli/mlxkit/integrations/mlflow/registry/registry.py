"""The model registry flavor `mlflow`: models, versions and their files on the stack's MLflow tracker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from ....errors import NotFoundError
from ....stacks.aliases import check_alias
from ....stacks.registries import LoggedModel, ModelVersion, RegisteredModel, TrackedRun
from ....stacks.resolve import ResolvedComponent
from ..connection import Connection, connect
from ..local_store import LocalStore, local_store
from .backend import RegistryBackend
from .model_files import check_source, files_at, read_file, real_location, take
from .rules import check_name, check_tags, no_version
from .run_models import models_among_artifacts

if TYPE_CHECKING:
    from ..rest import Rest
    from .model_files import Files
    from .tables import Tables


class MlflowRegistry:
    """Keeps models where the tracker keeps runs; cheap to make, and it imports MLflow only where nothing else works."""

    def __init__(
        self,
        component: ResolvedComponent,
        tracker: ResolvedComponent,
        state_dir: Path,
        *,
        waiting: Callable[[str], None],
    ) -> None:
        self.name = component.name
        self.connection: Connection = connect(tracker, state_dir)
        self._waiting = waiting
        self._made: RegistryBackend | None = None

    @property
    def tracker(self) -> str:
        """The name of the tracker that it works through."""
        return self.connection.name

    def models(self, *, limit: int = 1000) -> list[RegisteredModel]:
        """Return the registered models by name."""
        return self._backend.models(limit)

    def model(self, name: str) -> RegisteredModel:
        """Return one registered model."""
        check_name(name)
        return self._backend.model(name)

    def versions(self, name: str, *, limit: int = 1000) -> list[ModelVersion]:
        """Return the versions of a model, the newest first, each with its aliases."""
        check_name(name)
        return self._backend.versions(name, limit)

    def version(self, name: str, number: int) -> ModelVersion:
        """Return one version with its aliases."""
        check_name(name)
        _check_number(name, number)
        return self._backend.version(name, number)

    def register(
        self, name: str, model: LoggedModel, *, description: str = "", tags: Mapping[str, str] | None = None
    ) -> ModelVersion:
        """Make a version from a logged model, and the registered model when there is none of that name."""
        check_name(name, new=True)
        check_tags(tags or {})
        check_source(self._backend, model)
        return self._backend.register(name, model, description, tags or {})

    def set_description(self, name: str, text: str, *, version: int | None = None) -> None:
        """Describe a model, or one version of it."""
        check_name(name)
        _check_number(name, version)
        self._backend.set_description(name, text, version)

    def set_tags(self, name: str, tags: Mapping[str, str | None], *, version: int | None = None) -> None:
        """Set tags of a model, or of one version; None removes one, and one that is not there is well removed."""
        check_name(name)
        check_tags(tags)
        _check_number(name, version)
        self._backend.set_tags(name, tags, version)

    def set_alias(self, name: str, alias: str, version: int | None) -> None:
        """Point an alias at a version, away from the one that had it; None removes it, whether it is there or not."""
        check_name(name)
        check_alias(alias, new=version is not None)
        _check_number(name, version)
        self._backend.set_alias(name, alias, version)

    def leave_stage(self, name: str, version: int) -> None:
        """Take the stage of MLflow 2 from a version, if it is in one."""
        check_name(name)
        _check_number(name, version)
        self._backend.leave_stage(name, version)

    def delete(self, name: str, *, version: int | None = None) -> None:
        """Delete a model with its versions, or one version; the files stay where the run put them."""
        check_name(name)
        _check_number(name, version)
        self._backend.delete(name, version)

    def run(self, run_id: str) -> TrackedRun:
        """Return a run by the tracker's id."""
        return self._backend.run(run_id)

    def runs(self, run_ids: Sequence[str]) -> dict[str, TrackedRun]:
        """Return those runs that exist, by id; as few requests as the server allows."""
        return self._backend.runs(run_ids) if run_ids else {}

    def runs_of(self, mlx_run_id: str) -> list[TrackedRun]:
        """Return the runs that carry our run's id (tag `mlx.run_id`), the oldest first."""
        return self._backend.runs_of(mlx_run_id)

    def logged_models(self, run_ids: Sequence[str]) -> list[LoggedModel]:
        """Return the models that runs logged, the oldest first; of a run without any those that MLflow 2 put among its artifacts."""
        if not run_ids:
            return []
        backend = self._backend
        found = list(backend.logged_models(run_ids))
        with_models = {model.run_id for model in found}
        others = [run_id for run_id in run_ids if run_id not in with_models]
        for run_id, run in (backend.runs(others) if others else {}).items():
            found += models_among_artifacts(run, partial(backend.files_of_run, run_id))
        return sorted(found, key=lambda model: model.created)

    def models_of(self, runs: Sequence[TrackedRun], *, at_once: bool = False) -> list[LoggedModel]:
        """Return what runs say that they logged, the oldest first; nothing is looked for among their artifacts."""
        if not runs:
            return []
        found = list(self._backend.models_of(runs, at_once))
        with_models = {model.run_id for model in found}
        for run in runs:
            if run.run_id not in with_models:
                found += models_among_artifacts(run, lambda _: [])
        return sorted(found, key=lambda model: model.created)

    def read(self, version: ModelVersion, path: str) -> bytes | None:
        """Return one small file of a version (`MLmodel`, `requirements.txt`), or None when it has none."""
        files, _ = self._files(version)
        return read_file(files, version, path)

    def download(self, version: ModelVersion, target: Path) -> None:
        """Write the files of a version into a folder that does not exist yet; all of them, or none."""
        files, location = self._files(version)
        take(files, version, location, target)

    def _files(self, version: ModelVersion) -> tuple[Files, str]:
        backend = self._backend
        told = backend.location(version.name, version.version)
        try:
            location = real_location(backend, told)
        except NotFoundError as error:  # of the run or the logged model that the version was made from
            raise NotFoundError(f"the files of {version.reference} are gone: {error.message}") from error
        return files_at(location, self.connection, self._rest, self._waiting), location

    @cached_property
    def _rest(self) -> Rest | None:
        if self.connection.scenario not in ("server", "databricks"):
            return None
        from ..rest import Rest  # with http.client and ssl, which the local store does without

        return Rest(self.connection)

    @property
    def _backend(self) -> RegistryBackend:
        if self._made is not None:
            return self._made
        store = local_store(self.connection)
        if store is not None:
            from .sqlite import SqliteRegistry
            from .tables import Tables

            tables = Tables(store)
            if not tables.exist:  # asked again the next time: a run may have made the database by then
                store.check()
                return SqliteRegistry(tables, self.connection)
            if self._is_understood(tables, store):
                self._made = SqliteRegistry(tables, self.connection)
                return self._made
        elif self._rest is not None and self.connection.registry_uri != "databricks-uc":
            from .rest import RestRegistry

            self._made = RestRegistry(self._rest, self.connection, self._waiting)
            return self._made
        from .client import ClientRegistry

        self._made = ClientRegistry(self.connection, self._waiting)
        return self._made

    def _is_understood(self, tables: Tables, store: LocalStore) -> bool:
        if tables.understood():
            return True
        self._waiting("loading MLflow, for the tables of its database ...")
        store.ensure()
        return tables.understood()


def _check_number(name: str, number: int | None) -> None:
    if number is not None and not 0 < number < 2**31:
        raise no_version(name, number)
