"""Runs and logged models of a server, over REST."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from ....errors import UnreachableError
from ....stacks.registries import LoggedModel, TrackedRun
from ....stacks.tags import RUN_ID
from ..backend import of_our_run
from ..connection import Connection
from ..rest import Rest, TrackerApiError
from .answers import logged_model_from, models_told, run_from
from .rules import is_id, no_logged_model, no_run

_T = TypeVar("_T")
_FEW, _AT_ONCE, _PAGE = 2, 100, 1000
_GONE = ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND")


class RestRuns:
    """Reads runs over one kept connection."""

    def __init__(self, rest: Rest, to: Connection) -> None:
        self._rest = rest
        self._to = to

    def run(self, run_id: str) -> TrackedRun:
        return self._run(run_id, lambda told: run_from(told, self._to))

    def runs(self, run_ids: Sequence[str]) -> dict[str, TrackedRun]:
        return {
            str(told["info"]["run_id"]): self.read(run_from, told, self._to) for told in self._told(run_ids)
        }

    def runs_of(self, mlx_run_id: str) -> list[TrackedRun]:
        query = of_our_run(mlx_run_id)
        found = self._search(query, "ACTIVE_ONLY", self._experiments()) if query else []
        runs = [self.read(run_from, told, self._to) for told in found]
        return sorted(
            (run for run in runs if run.tags.get(RUN_ID) == mlx_run_id), key=lambda run: run.started
        )

    def logged_models(self, run_ids: Sequence[str]) -> list[LoggedModel]:
        found: list[LoggedModel] = []
        for told in self._told(run_ids):
            run_id, experiment = str(told["info"]["run_id"]), str(told["info"].get("experiment_id") or "")
            found += self._models_of(run_id, experiment, self.read(models_told, told))
        return found

    def models_of(self, runs: Sequence[TrackedRun], at_once: bool) -> list[LoggedModel]:
        if self._to.scenario == "server":
            try:
                return self._models_of_many(runs)
            except TrackerApiError:
                pass  # a server that takes no such filter, or has no logged models
        found: list[LoggedModel] = []
        for run in runs:
            if not at_once or len(run.models) > 1:
                found += self._models_of(run.run_id, run.experiment_id, run.models)
        return found

    def files_of_run(self, run_id: str, path: str) -> list[tuple[str, bool]]:
        body = {"run_id": run_id, **({"path": path} if path else {})}
        try:
            return self._pages(
                "GET",
                "/artifacts/list",
                body,
                "files",
                lambda item: (str(item["path"]), bool(item.get("is_dir"))),
                None,
            )
        except TrackerApiError:
            return []  # kept where the server itself cannot look

    def location_of_run(self, run_id: str) -> str:
        return self._run(run_id, lambda told: str(told["info"]["artifact_uri"]))

    def location_of_model(self, model_id: str) -> str:
        try:
            return self._ask(
                "GET",
                f"/logged-models/{model_id}",
                None,
                lambda told: str(told["model"]["info"]["artifact_uri"]),
            )
        except TrackerApiError as error:
            if error.code in _GONE or error.status == 404:
                raise no_logged_model(model_id, self._to.name) from error
            raise

    def _run(self, run_id: str, read: Callable[[Any], _T]) -> _T:
        try:
            return self._ask("GET", "/runs/get", {"run_id": run_id}, lambda told: read(told["run"]))
        except TrackerApiError as error:
            if error.code == "RESOURCE_DOES_NOT_EXIST" or not is_id(run_id):
                raise no_run(run_id, self._to.name) from error
            raise

    def _told(self, run_ids: Sequence[str]) -> list[Mapping[str, Any]]:
        """Return what the server says of runs: a few are asked for by id, many in one search."""
        ids = [run_id for run_id in dict.fromkeys(run_ids) if is_id(run_id)]
        if len(ids) > _FEW:
            try:
                return self._search_ids(ids)
            except TrackerApiError:
                pass  # a server that takes no such filter
        found = []
        for run_id in ids:
            try:
                found.append(self._ask("GET", "/runs/get", {"run_id": run_id}, _whole_run))
            except TrackerApiError as error:
                if error.code != "RESOURCE_DOES_NOT_EXIST":
                    raise
        return found

    def _search_ids(self, ids: Sequence[str]) -> list[Mapping[str, Any]]:
        experiments, found = self._experiments(), []
        for start in range(0, len(ids), _AT_ONCE):
            listed = ", ".join(f"'{run_id}'" for run_id in ids[start : start + _AT_ONCE])
            found += self._search(f"attributes.run_id IN ({listed})", "ALL", experiments)
        return found

    def _experiments(self) -> list[str]:
        body = {"max_results": _PAGE, "view_type": "ALL"}
        return self._pages(
            "POST", "/experiments/search", body, "experiments", lambda item: str(item["experiment_id"]), None
        )

    def _search(self, query: str, view: str, experiments: Sequence[str]) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        for start in range(0, len(experiments), _AT_ONCE):
            body = {
                "experiment_ids": list(experiments[start : start + _AT_ONCE]),
                "filter": query,
                "run_view_type": view,
                "max_results": _PAGE,
            }
            found += self._pages("POST", "/runs/search", body, "runs", _run_as_told, None)
        return found

    def _models_of(self, run_id: str, experiment: str, model_ids: Sequence[str]) -> list[LoggedModel]:
        if self._to.scenario == "server" and experiment:
            try:
                told = self._search_models([experiment], f"= '{run_id}'")
                return [model for model in told if model.run_id == run_id]
            except TrackerApiError as error:
                if error.status == 404 and error.code != "RESOURCE_DOES_NOT_EXIST":
                    return []  # a server of MLflow 2 has none
        models = [self._logged_model(model_id) for model_id in model_ids]
        return [model for model in models if model is not None]

    def _models_of_many(self, runs: Sequence[TrackedRun]) -> list[LoggedModel]:
        found: list[LoggedModel] = []
        for start in range(0, len(runs), _AT_ONCE):
            some = runs[start : start + _AT_ONCE]
            listed = ", ".join(f"'{run.run_id}'" for run in some)
            found += self._search_models(
                list(dict.fromkeys(run.experiment_id for run in some)), f"IN ({listed})"
            )
        wanted = {run.run_id for run in runs}
        return [model for model in found if model.run_id in wanted]

    def _search_models(self, experiments: Sequence[str], runs: str) -> list[LoggedModel]:
        body = {"experiment_ids": list(experiments), "filter": f"source_run_id {runs}", "max_results": 50}
        told = self._pages("POST", "/logged-models/search", body, "models", logged_model_from, None)
        return [model for model in told if model is not None]

    def _logged_model(self, model_id: str) -> LoggedModel | None:
        try:
            return self._ask(
                "GET", f"/logged-models/{model_id}", None, lambda told: logged_model_from(told["model"])
            )
        except TrackerApiError as error:
            if error.code in _GONE or error.status == 404:
                return None
            raise

    def _pages(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any],
        key: str,
        read: Callable[[Any], _T],
        limit: int | None,
    ) -> list[_T]:
        """Return the items of all pages, or as many as are wanted."""
        found: list[_T] = []
        token, seen = "", set()
        while True:
            asked = {**body, **({"page_token": token} if token else {})}
            items, token = self._ask(
                method,
                path,
                asked,
                lambda told: (
                    [read(item) for item in told.get(key) or ()],
                    str(told.get("next_page_token") or ""),
                ),
            )
            found += items
            if limit is not None and len(found) >= limit:
                return found[:limit]
            if not token or token in seen:
                return found
            seen.add(token)

    def _ask(self, method: str, path: str, body: Any, read: Callable[[Any], _T]) -> _T:
        return self.read(read, self._rest.call(method, path, body))

    def read(self, read: Callable[..., _T], *told: Any) -> _T:
        """Make sense of an answer, or say that it is none of MLflow's."""
        try:
            return read(*told)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise UnreachableError(
                f"tracker {self._to.name!r}: {self._to.shown_url} answers with something else than MLflow does",
                hint=f"mlx tracker test {self._to.name}",
            ) from error


def _whole_run(told: Mapping[str, Any]) -> Mapping[str, Any]:
    return _run_as_told(told["run"])


def _run_as_told(run: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a run as it was told, once it is known to be one."""
    str(run["info"]["run_id"])
    return run
