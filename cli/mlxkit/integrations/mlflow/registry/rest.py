"""The model registry of a server or a Databricks workspace, over REST; MLflow is not imported."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from ....errors import MlxError, NotFoundError
from ....stacks.model_addresses import model_id_in, run_path_in
from ....stacks.registries import LoggedModel, ModelVersion, RegisteredModel
from ..connection import Connection
from ..rest import Rest, TrackerApiError
from .answers import model_from, version_from
from .rest_runs import RestRuns
from .rules import MODEL_VERSIONS, no_model, no_version
from .versions_note import with_version

_PAGE = 1000
_PATIENCE, _PAUSE = 300.0, 0.5  # seconds: a workspace copies the files before a version is ready
_ATTEMPTS = 4


class RestRegistry(RestRuns):
    """Speaks to one server over one kept connection."""

    def __init__(self, rest: Rest, to: Connection, waiting: Callable[[str], None]) -> None:
        super().__init__(rest, to)
        self._waiting = waiting

    def models(self, limit: int) -> list[RegisteredModel]:
        body = {"max_results": min(limit, _PAGE)}
        found = self._pages("GET", "/registered-models/search", body, "registered_models", model_from, limit)
        return sorted(found, key=lambda model: model.name)

    def model(self, name: str) -> RegisteredModel:
        try:
            return self._ask(
                "GET",
                "/registered-models/get",
                {"name": name},
                lambda told: model_from(told["registered_model"]),
            )
        except TrackerApiError as error:
            raise self._missing(error, name, None) from error

    def versions(self, name: str, limit: int) -> list[ModelVersion]:
        aliases = self.model(name).aliases
        body: dict[str, Any] = {"filter": f"name = {quoted(name)}", "max_results": min(limit, _PAGE)}
        if "'" in name and '"' in name:  # there is no way to write such a name in a filter
            body["filter"] = "name LIKE '" + name.replace("'", "_") + "'"
        most: int | None = None
        if self._to.scenario == "server":
            body["order_by"], most = "version_number DESC", limit
        found = self._pages(
            "GET",
            "/model-versions/search",
            body,
            "model_versions",
            lambda told: version_from(told, aliases),
            most,
        )
        own = [version for version in found if version.name == name]
        return sorted(own, key=lambda version: version.version, reverse=True)[:limit]

    def version(self, name: str, number: int) -> ModelVersion:
        try:
            return self._ask(
                "GET",
                "/model-versions/get",
                {"name": name, "version": str(number)},
                lambda told: version_from(told["model_version"]),
            )
        except TrackerApiError as error:
            raise self._missing(error, name, number) from error

    def register(
        self, name: str, model: LoggedModel, description: str, tags: Mapping[str, str]
    ) -> ModelVersion:
        model_id = model_id_in(model.uri)
        body = {
            "name": name,
            "source": self._source(model),
            "tags": [{"key": key, "value": value} for key, value in tags.items()],
            **({"run_id": model.run_id} if model.run_id else {}),
            **({"model_id": model_id} if model_id else {}),
            **({"description": description} if description else {}),
        }
        made = self._ready(self._create_version(body))
        if model_id:
            self._note_version(model_id, made)
        return made

    def set_description(self, name: str, text: str, version: int | None) -> None:
        self._change("PATCH", "update", name, version, {"description": text})

    def set_tags(self, name: str, tags: Mapping[str, str | None], version: int | None) -> None:
        for key, value in tags.items():
            if value is None:
                try:
                    self._change("DELETE", "delete-tag", name, version, {"key": key})
                except TrackerApiError as error:
                    if error.code != "RESOURCE_DOES_NOT_EXIST":  # a workspace minds that it is not there
                        raise
            else:
                self._change("POST", "set-tag", name, version, {"key": key, "value": value})
        if not tags:
            _ = self.model(name) if version is None else self.version(name, version)

    def set_alias(self, name: str, alias: str, version: int | None) -> None:
        body = {"name": name, "alias": alias, **({} if version is None else {"version": str(version)})}
        try:
            self._rest.call("DELETE" if version is None else "POST", "/registered-models/alias", body)
        except TrackerApiError as error:
            raise self._missing(error, name, version) from error

    def leave_stage(self, name: str, version: int) -> None:
        body = {"stage": "None", "archive_existing_versions": False}
        self._change("POST", "transition-stage", name, version, body)

    def delete(self, name: str, version: int | None) -> None:
        self._change("DELETE", "delete", name, version, {})

    def location(self, name: str, version: int) -> str:
        try:
            return self._ask(
                "GET",
                "/model-versions/get-download-uri",
                {"name": name, "version": str(version)},
                lambda told: str(told["artifact_uri"]),
            )
        except TrackerApiError as error:
            raise self._missing(error, name, version) from error

    def _source(self, model: LoggedModel) -> str:
        """Return what MLflow's client sends: the logged model itself, or the real place of a run's files."""
        inside, model_id = run_path_in(model.uri), model_id_in(model.uri)
        if inside is not None:
            return f"{self.location_of_run(inside[0]).rstrip('/')}/{inside[1]}"
        if model_id:  # asked for in any case: it has to be there before a registered model is made
            location = self.location_of_model(model_id)
            return (
                location if self._to.scenario == "databricks" else model.uri
            )  # which knows no models:/m-...
        return model.uri

    def _create(self, name: str) -> None:
        try:
            self._rest.call("POST", "/registered-models/create", {"name": name})
        except TrackerApiError as error:
            if error.code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _create_version(self, body: Mapping[str, Any]) -> ModelVersion:
        for attempt in range(_ATTEMPTS):
            try:
                return self._ask(
                    "POST", "/model-versions/create", body, lambda told: version_from(told["model_version"])
                )
            except TrackerApiError as error:
                # The model is made only once the server minds nothing else: a refused version leaves none behind.
                if error.code == "RESOURCE_DOES_NOT_EXIST":
                    if attempt:
                        raise NotFoundError(error.message) from error
                    self._create(body["name"])
                    continue
                # Several processes took the same number, and the server has given up to find a free one.
                if attempt + 1 == _ATTEMPTS or "creation error" not in error.message:
                    raise
            time.sleep(0.1 * 2**attempt)
        raise AssertionError("unreachable")

    def _ready(self, version: ModelVersion) -> ModelVersion:
        """Wait for a version that is still being copied."""
        if version.status == "PENDING_REGISTRATION":
            self._waiting(f"waiting for {version.reference} to be ready ...")
        until = time.monotonic() + _PATIENCE
        while version.status == "PENDING_REGISTRATION" and time.monotonic() < until:
            time.sleep(_PAUSE)
            version = self.version(version.name, version.version)
        if version.status == "FAILED_REGISTRATION":
            why = version.status_message or "the registry does not say why"
            raise MlxError(f"tracker {self._to.name!r}: {version.reference} could not be registered: {why}")
        return version

    def _note_version(self, model_id: str, version: ModelVersion) -> None:
        """Tell the logged model of its version, where the server has not done so itself."""
        try:
            model = self._logged_model(model_id)
            known = model.tags.get(MODEL_VERSIONS, "") if model is not None else ""
            noted = with_version(known, version.name, version.version)
            if noted != known:
                tags = {"tags": [{"key": MODEL_VERSIONS, "value": noted}]}
                self._rest.call("PATCH", f"/logged-models/{model_id}/tags", tags)
        except MlxError:
            return  # a link for MLflow's pages; the version itself is made

    def _change(
        self, method: str, verb: str, name: str, version: int | None, body: Mapping[str, Any]
    ) -> None:
        group = "registered-models" if version is None else "model-versions"
        which = {"name": name, **({} if version is None else {"version": str(version)})}
        try:
            self._rest.call(method, f"/{group}/{verb}", {**which, **body})
        except TrackerApiError as error:
            raise self._missing(error, name, version) from error

    def _missing(self, error: TrackerApiError, name: str, version: int | None) -> MlxError:
        """Say which of model and version is not there, when that is what the server says."""
        if error.code != "RESOURCE_DOES_NOT_EXIST":
            return error
        try:
            if version is not None:
                self.model(name)
                return no_version(name, version)
        except NotFoundError as missing:
            return missing
        return no_model(name, lambda: [model.name for model in self.models(_PAGE)])


def quoted(text: str) -> str:
    """Return a text as MLflow's filters take it."""
    return f'"{text}"' if "'" in text else f"'{text}'"
