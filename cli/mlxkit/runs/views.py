"""Runs as the SDK hands them out: a record, with its steps, outputs and metadata within reach."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from ..artifacts.bringing import bring
from ..artifacts.io import load as load_artifact
from ..artifacts.store import ArtifactStore
from ..config.files import write_atomic
from ..errors import AlreadyExistsError, MlxError, NotFoundError
from .history import History
from .members import Members
from .metadata import Metadata
from .queries import RunQueries
from .records import OutputRecord, RunRecord, StepRecord, artifact_of

_TIMES = {"start_time": ".record.started", "end_time": ".record.ended", "logs": "mlx runs logs RUN"}


class Origin(NamedTuple):
    """The step of a run that an artifact is an output of."""

    run: str
    step: str


class ArtifactView(Members):
    """One output of a step: what is known of it, and its value by `load()`."""

    instead: ClassVar[dict[str, str]] = {
        "visualize": "mlx artifact describe ARTIFACT",
        "data_type": ".record.type",
    }

    def __init__(
        self,
        record: OutputRecord,
        store: ArtifactStore,
        notes: Mapping[str, Any] | None = None,
        origin: Origin | None = None,
    ) -> None:
        self.record = record
        self.origin = origin
        self._store = store
        self._notes = notes or {}

    @property
    def name(self) -> str:
        """The output's name."""
        return self.record.name

    @property
    def id(self) -> str:
        """What `load_artifact` finds it by whatever its name: the digest."""
        return self.record.digest

    @property
    def version(self) -> str | None:
        """The label that it was saved under, if any."""
        return self._notes.get("version")

    @property
    def tags(self) -> list[str]:
        """The tags that its step gave it."""
        return list(self._notes.get("tags", ()))

    @property
    def run_metadata(self) -> Metadata:
        """What its step logged about it."""
        return Metadata(self._notes.get("metadata", {}), f"artifact {self.name!r}")

    @property
    def uri(self) -> str:
        """The key in the artifact store; empty for a small value that history holds."""
        return self.record.uri

    def __getitem__(self, position: int) -> ArtifactView:
        if position not in (0, -1):
            raise IndexError("an output of a step run is one artifact: [0]")
        return self

    @property
    def digest(self) -> str:
        """SHA-256 of the content."""
        return self.record.digest

    def load(self) -> Any:
        """Return a fresh copy of the value."""
        return load_artifact(artifact_of(self.record), self._store)

    def copy_to(self, path: Path, *, overwrite: bool = False) -> Path:
        """Copy the stored file (or folder) to `path` and return where it is; an existing one is kept unless told."""
        if path.exists() and not overwrite:
            raise AlreadyExistsError(f"{path} exists", hint="add --force")
        if self.record.inline is not None:
            write_atomic(path, self.record.inline)
            return path
        source = self._store.locate(self.record.uri, artifact_of(self.record))
        if source.is_dir():
            try:
                shutil.copytree(source, path, dirs_exist_ok=True)
            except shutil.Error as error:  # of several files: source, target and why of each
                raise MlxError(f"{path} cannot be written: {error.args[0][0][2]}") from error
            except OSError as error:
                raise MlxError(f"{path} cannot be written: {error.strerror}") from error
            return path
        draft = path.with_name(f"{path.name}.partial")
        try:  # what was there stays until all of the new file is
            shutil.copyfile(source, draft)
            draft.replace(path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise MlxError(f"{path} cannot be written: {error.strerror}") from error
        return path

    def bring_to(self, store: ArtifactStore) -> None:
        """Copy the content, as it is, to another artifact store that has not got it.

        Raises ArtifactMissingError and ArtifactStoreError.
        """
        bring(artifact_of(self.record), self._store, store)

    def __repr__(self) -> str:
        return f"<artifact {self.name} {self.record.type}>"


class StepView(Members):
    """One step of a run."""

    instead: ClassVar[dict[str, str]] = {"config": ".record.parameters", "inputs": ".record.inputs", **_TIMES}

    def __init__(self, record: StepRecord, store: ArtifactStore) -> None:
        self.record = record
        self._store = store

    @property
    def name(self) -> str:
        """The step's name in the run."""
        return self.record.name

    @property
    def id(self) -> str:
        """The step run's id."""
        return self.record.id

    @property
    def status(self) -> str:
        """completed, cached, failed, skipped or killed."""
        return self.record.status

    @property
    def run_metadata(self) -> Metadata:
        """Metadata of the step run, the tracker's link among it."""
        return Metadata(self.record.metadata, f"step {self.name!r}")

    @property
    def outputs(self) -> dict[str, ArtifactView]:
        """The outputs by name, and what `save_artifact` added to them."""
        return {item.name: self._view(item) for item in self.record.outputs}

    def _view(self, output: OutputRecord) -> ArtifactView:
        notes = self.record.metadata.get("artifacts", {})
        return ArtifactView(
            output, self._store, notes.get(output.name), Origin(self.record.run_id, self.record.name)
        )

    @property
    def output(self) -> ArtifactView:
        """The only output; raises NotFoundError when there are several or none."""
        notes = self.record.metadata.get("artifacts", {})
        own = [item for item in self.record.outputs if not notes.get(item.name, {}).get("saved")]
        if len(own) != 1:
            raise NotFoundError(
                f"step {self.name!r} has {len(own)} outputs: {', '.join(self.outputs) or 'none'}"
            )
        return self._view(own[0])

    def __repr__(self) -> str:
        return f"<step {self.name} {self.status}>"


class RunView(Members):
    """One run of a pipeline."""

    instead: ClassVar[dict[str, str]] = {
        "config": ".parameters, and what its steps were given: .steps[STEP].record.parameters",
        "pipeline": ".record.pipeline",
        "stack": ".record.stack",
        **_TIMES,
    }

    def __init__(self, history: History, store: ArtifactStore, record: RunRecord) -> None:
        self.record = record
        self._history = history
        self._store = store

    @property
    def id(self) -> str:
        """The run's id."""
        return self.record.id

    @property
    def name(self) -> str:
        """The run's name."""
        return self.record.name

    @property
    def status(self) -> str:
        """running, completed, failed, killed or interrupted."""
        return self.record.status

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The pipeline's parameters."""
        return self.record.parameters

    @property
    def run_metadata(self) -> Metadata:
        """Metadata of the run."""
        return Metadata(self.record.metadata, f"run {self.name!r}")

    @property
    def steps(self) -> dict[str, StepView]:
        """The steps by name, in the order they were called."""
        return {item.name: StepView(item, self._store) for item in RunQueries(self._history).steps(self.id)}

    def get_step(self, name: str) -> StepView:
        """Return one step; raises NotFoundError with the names there are."""
        return StepView(RunQueries(self._history).step(self.id, name), self._store)

    def __repr__(self) -> str:
        return f"<run {self.name} {self.status}>"


class PipelineView(Members):
    """A pipeline by name, with the runs it had."""

    def __init__(self, name: str, history: History, store: ArtifactStore) -> None:
        self.name = name
        self._history = history
        self._store = store

    @property
    def runs(self) -> list[RunView]:
        """The last 20 runs, the newest first."""
        return [
            RunView(self._history, self._store, item)
            for item in RunQueries(self._history).list(pipeline=self.name)
        ]

    @property
    def last_run(self) -> RunView:
        """The newest run."""
        return self._newest()

    @property
    def last_successful_run(self) -> RunView:
        """The newest run that completed; raises NotFoundError when none did."""
        return self._newest("completed")

    def _newest(self, status: str | None = None) -> RunView:
        found = RunQueries(self._history).list(pipeline=self.name, status=status, limit=1)
        if not found:
            raise NotFoundError(
                f"pipeline {self.name!r} has no run" + " that completed" * bool(status),
                hint=f"mlx runs list --pipeline {self.name}",
            )
        return RunView(self._history, self._store, found[0])

    def __repr__(self) -> str:
        return f"<pipeline {self.name}>"
