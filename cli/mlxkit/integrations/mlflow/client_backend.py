"""Any other store that MLflow knows (PostgreSQL, MySQL, ...), through MLflow's own client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from ...stacks.protocols import Measured
from .backend import (
    MAX_BATCH,
    MAX_FOUND,
    MAX_PARAM,
    MAX_TAG,
    cut,
    deleted_experiment,
    filter_of,
    mlflow_status,
    of_our_run,
)
from .connection import Connection
from .metric_values import value_of


class ClientBackend:
    """Imports MLflow when it is made."""

    def __init__(self, to: Connection, artifact_root: str) -> None:
        from .registry.library_use import library

        self._to = to
        self._root = artifact_root
        with library(to, lambda _: None):  # where MLflow's own default folder for artifacts would be made
            from mlflow import MlflowClient

            self._client: Any = MlflowClient(tracking_uri=to.tracking_uri)

    def experiment(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        found = self._client.get_experiment_by_name(name)
        if found is None:
            try:
                return str(
                    self._client.create_experiment(name, artifact_location=f"{self._root}/{_folder(name)}")
                )
            except MlflowException:  # another process was faster, whatever the store calls that
                found = self._client.get_experiment_by_name(name)
                if found is None:
                    raise
        if found.lifecycle_stage == "deleted":
            raise deleted_experiment(self._to, name)
        return str(found.experiment_id)

    def create_run(self, experiment_id: str, name: str, tags: Mapping[str, str]) -> str:
        return str(
            self._client.create_run(experiment_id, run_name=name, tags=dict(cut(tags, MAX_TAG))).info.run_id
        )

    def log(
        self, run_id: str, *, params: Mapping[str, str] | None = None, tags: Mapping[str, str] | None = None
    ) -> None:
        from mlflow.entities import Param, RunTag

        left = [Param(key, value) for key, value in cut(params, MAX_PARAM)]
        other = [RunTag(key, value) for key, value in cut(tags, MAX_TAG)]
        while left or other:
            self._client.log_batch(run_id, params=left[:MAX_BATCH], tags=other[:MAX_BATCH])
            left, other = left[MAX_BATCH:], other[MAX_BATCH:]

    def attach(self, run_id: str, name: str, content: bytes) -> None:
        from .attachments import attach

        attach(self._to, None, str(self._client.get_run(run_id).info.artifact_uri), name, content)

    def rename(self, run_id: str, name: str) -> None:
        self._client.update_run(run_id, name=name)

    def end(self, run_id: str, status: str) -> None:
        self._client.set_terminated(run_id, status=mlflow_status(status))

    def discard(self, run_id: str) -> None:
        from mlflow.exceptions import MlflowException

        self.end(run_id, "killed")
        with suppress(MlflowException):
            self._client.delete_run(run_id)

    def tagged(
        self, experiment_ids: Sequence[str], tags: Mapping[str, str], *, is_running: bool = False
    ) -> Iterator[tuple[str, Mapping[str, str]]]:
        wanted, token = filter_of(tags, is_running=is_running), None
        while True:
            found = self._client.search_runs(
                list(experiment_ids),
                wanted,
                order_by=["start_time ASC"],
                max_results=MAX_FOUND,
                page_token=token,
            )
            yield from ((str(run.info.run_id), dict(run.data.tags)) for run in found)
            token = found.token
            if not token:
                return

    def is_running(self, run_id: str) -> bool:
        from mlflow.exceptions import MlflowException

        try:
            return bool(self._client.get_run(run_id).info.status == "RUNNING")
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return False

    def close_orphan(self, run_id: str, status: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self.end(run_id, status)
        except MlflowException as error:
            if error.error_code not in (
                "RESOURCE_DOES_NOT_EXIST",
                "INVALID_PARAMETER_VALUE",
                "INVALID_STATE",
            ):
                raise

    def measures(self, run_ids: Sequence[str]) -> Mapping[str, Measured]:
        from mlflow.exceptions import MlflowException

        found: dict[str, Measured] = {}
        for run_id in run_ids:
            with suppress(MlflowException):  # deleted meanwhile
                data = self._client.get_run(run_id).data
                metrics = {key: value_of(value) for key, value in data.metrics.items()}
                found[run_id] = (metrics, dict(data.params))
        return found

    def find(self, run: str) -> tuple[str, str] | None:
        from mlflow.exceptions import MlflowException

        try:
            info = self._client.get_run(run).info
            return str(info.experiment_id), str(info.run_id)
        except MlflowException:
            pass
        ids = [item.experiment_id for item in self._client.search_experiments()]
        wanted = of_our_run(run)
        if wanted is None:
            return None
        runs = self._client.search_runs(ids, wanted, order_by=["start_time ASC"], max_results=1)
        return (str(runs[0].info.experiment_id), str(runs[0].info.run_id)) if runs else None


def _folder(name: str) -> str:
    """Return a folder name for an experiment: readable, and different for different experiments."""
    from hashlib import sha256

    plain = "".join(char if char.isalnum() or char in "-_" else "-" for char in name)[:40]
    return f"{plain}-{sha256(name.encode()).hexdigest()[:8]}"
