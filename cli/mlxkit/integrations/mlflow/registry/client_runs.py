"""Runs and logged models of any store, through MLflow's own client."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from ....errors import MlxError, NotFoundError
from ....stacks.registries import LoggedMetric, LoggedModel, TrackedRun
from ....stacks.tags import RUN_ID
from ..backend import of_our_run
from ..connection import Connection
from ..links import run_url
from .rules import is_id, last_values, no_logged_model, no_run, seconds


class ClientRuns(ABC):
    """Reads runs; what gives the client is the registry's."""

    def __init__(self, to: Connection, waiting: Callable[[str], None]) -> None:
        self._to = to
        self._waiting = waiting

    def run(self, run_id: str) -> TrackedRun:
        return self._run(self._run_as_it_is(run_id))

    def runs(self, run_ids: Sequence[str]) -> dict[str, TrackedRun]:
        found = {}
        for run_id in dict.fromkeys(run_ids):
            with contextlib.suppress(NotFoundError):
                found[run_id] = self.run(run_id)
        return found

    def runs_of(self, mlx_run_id: str) -> list[TrackedRun]:
        query = of_our_run(mlx_run_id)
        if query is None:
            return []
        with self._client() as client:
            experiments = [
                item.experiment_id
                for item in pages(lambda token: client.search_experiments(page_token=token), None)
            ]
            found = (
                pages(
                    lambda token: client.search_runs(experiments, query, page_token=token),
                    None,
                )
                if experiments
                else []
            )
        runs = [self._run(item) for item in found]  # some databases take upper and lower case for the same
        own = [run for run in runs if run.tags.get(RUN_ID) == mlx_run_id]
        return sorted(own, key=lambda run: run.started)

    def logged_models(self, run_ids: Sequence[str]) -> list[LoggedModel]:
        found: list[LoggedModel] = []
        for run_id in dict.fromkeys(run_ids):
            try:
                run = self._run_as_it_is(run_id)
            except NotFoundError:
                continue
            found += self._logged(_outputs(run))
        return found

    def models_of(self, runs: Sequence[TrackedRun], at_once: bool) -> list[LoggedModel]:
        return [
            model for run in runs if not at_once or len(run.models) > 1 for model in self._logged(run.models)
        ]

    def _logged(self, model_ids: Sequence[str]) -> list[LoggedModel]:
        with self._client() as client:
            models = [client.get_logged_model(model_id) for model_id in model_ids]
        return [
            _logged_model(model)
            for model in models
            if str(model.status) in ("READY", "LoggedModelStatus.READY")
        ]

    def files_of_run(self, run_id: str, path: str) -> list[tuple[str, bool]]:
        try:
            with self._client() as client:
                root = self._root(client, run_id)
                return [(item.path, bool(item.is_dir)) for item in root.list_artifacts(path or None)]
        except MlxError:
            return []

    def location_of_run(self, run_id: str) -> str:
        return str(self._run_as_it_is(run_id).info.artifact_uri)

    def location_of_model(self, model_id: str) -> str:
        try:
            with self._client() as client:
                return str(client.get_logged_model(model_id).artifact_location)
        except NotFoundError as error:
            raise no_logged_model(model_id, self._to.name) from error

    @abstractmethod
    def _client(self, name: str | None = None, version: int | None = None) -> Any:
        """Return MLflow's client for as long as a `with` block lasts; errors inside name the model and the version."""

    @staticmethod
    def _root(client: Any, run_id: str) -> Any:
        """Return the run's own folder: the client's listing would mix logged models in."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        return get_artifact_repository(client.get_run(run_id).info.artifact_uri)

    def _run_as_it_is(self, run_id: str) -> Any:
        if not is_id(run_id):
            raise no_run(run_id, self._to.name)
        try:
            with self._client() as client:
                return client.get_run(run_id)
        except NotFoundError as error:
            raise no_run(run_id, self._to.name) from error

    def _run(self, item: Any) -> TrackedRun:
        return run_of(item, self._to)


def run_of(item: Any, to: Connection) -> TrackedRun:
    """Read a run of MLflow's client."""
    info, data = item.info, item.data
    return TrackedRun(
        run_id=info.run_id,
        experiment_id=str(info.experiment_id),
        name=info.run_name or "",
        status=str(info.status or ""),
        started=seconds(info.start_time),
        ended=seconds(info.end_time) if info.end_time else None,
        params=dict(data.params),
        metrics={key: float(value) for key, value in data.metrics.items()},
        tags=dict(data.tags),
        url=run_url(to, str(info.experiment_id), info.run_id),
        is_deleted=info.lifecycle_stage == "deleted",
        models=_outputs(item),
    )


def each(ask: Callable[[str | None], Any]) -> Iterator[Any]:
    """Return the items of all pages, each page asked for when it is needed."""
    token: str | None = None
    while True:
        page = ask(token)
        yield from page
        token = page.token
        if not token:
            return


def pages(ask: Callable[[str | None], Any], limit: int | None) -> list[Any]:
    """Return the items of all pages, or as many as are wanted."""
    return list(islice(each(ask), limit))


def _outputs(run: Any) -> tuple[str, ...]:
    outputs = getattr(getattr(run, "outputs", None), "model_outputs", None) or ()
    return tuple(dict.fromkeys(output.model_id for output in outputs))


def _logged_model(item: Any) -> LoggedModel:
    measured = [
        LoggedMetric(
            told.key,
            float(told.value),
            getattr(told, "run_id", None) or "",
            told.timestamp or 0,
            told.step or 0,
        )
        for told in item.metrics or ()
    ]
    measured.sort(key=lambda told: (told.step, told.time))
    return LoggedModel(
        name=item.name or item.model_id,
        uri=f"models:/{item.model_id}",
        run_id=item.source_run_id or "",
        model_id=item.model_id,
        created=seconds(item.creation_timestamp),
        tags={key: str(value) for key, value in (item.tags or {}).items()},
        metrics=last_values(measured),
        measured=tuple(measured),
    )
