"""The model registry of any other database, or of Unity Catalog, through MLflow's own client."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ....errors import CredentialsError, MlxError, NotFoundError, UnreachableError
from ....stacks.model_addresses import model_id_in, run_path_in
from ....stacks.registries import LoggedModel, ModelVersion, RegisteredModel
from ..connection import Connection
from ..rest import plain
from .client_runs import ClientRuns, pages
from .library_use import library
from .rules import MODEL_VERSIONS, legacy_stage, no_model, no_version, seconds
from .versions_note import with_version

_GONE = ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND")
_PAGE = 1000


class ClientRegistry(ClientRuns):
    """Imports MLflow with the first question."""

    def __init__(self, to: Connection, waiting: Callable[[str], None]) -> None:
        super().__init__(to, waiting)

    def models(self, limit: int) -> list[RegisteredModel]:
        with self._client() as client:
            found = pages(
                lambda token: client.search_registered_models(
                    max_results=min(limit, _PAGE), page_token=token
                ),
                limit,
            )
        return sorted((_model(item) for item in found), key=lambda model: model.name)

    def model(self, name: str) -> RegisteredModel:
        with self._client(name) as client:
            return _model(client.get_registered_model(name))

    def versions(self, name: str, limit: int) -> list[ModelVersion]:
        with self._client(name) as client:
            aliases = _aliases(client.get_registered_model(name))
            quote = '"' if "'" in name else "'"
            found = pages(
                lambda token: client.search_model_versions(
                    f"name = {quote}{name}{quote}", max_results=_PAGE, page_token=token
                ),
                None,
            )
        versions = [_version(item, aliases) for item in found]
        return sorted(versions, key=lambda version: version.version, reverse=True)[:limit]

    def version(self, name: str, number: int) -> ModelVersion:
        with self._client(name, number) as client:
            return _version(client.get_model_version(name, str(number)), None)

    def register(
        self, name: str, model: LoggedModel, description: str, tags: Mapping[str, str]
    ) -> ModelVersion:
        from_run, model_id = run_path_in(model.uri), model_id_in(model.uri)
        source = model.uri
        if from_run is not None:
            source = f"{self.location_of_run(from_run[0]).rstrip('/')}/{from_run[1]}"
        elif model_id:
            self.location_of_model(model_id)  # before there is a model without a version
        with self._client() as client:
            from mlflow.exceptions import MlflowException

            def version() -> Any:
                return client._create_model_version(
                    name=name,
                    source=source,
                    run_id=model.run_id or None,
                    tags=dict(tags),
                    description=description or None,
                    model_id=model_id or None,
                )

            try:  # the model comes second: a refused version leaves none behind
                if (
                    self._to.registry_uri == "databricks-uc"
                ):  # which copies the files before it looks for the model
                    _create(client, name)
                made = version()
            except MlflowException as error:
                if error.error_code not in _GONE:
                    raise
                _create(client, name)
                made = version()
            if model_id:
                with contextlib.suppress(MlflowException):
                    known = client.get_logged_model(model_id).tags.get(MODEL_VERSIONS, "")
                    noted = with_version(known, name, int(made.version))
                    if noted != known:
                        client.set_logged_model_tags(model_id, {MODEL_VERSIONS: noted})
            return _version(made, None)

    def set_description(self, name: str, text: str, version: int | None) -> None:
        with self._client(name, version) as client:
            if version is None:
                client.update_registered_model(name, text)
            else:
                client.update_model_version(name, str(version), text)

    def set_tags(self, name: str, tags: Mapping[str, str | None], version: int | None) -> None:
        with self._client(name, version) as client:
            if version is None:
                client.get_registered_model(name)
            for key, value in tags.items():
                if version is None and value is None:
                    client.delete_registered_model_tag(name, key)
                elif version is None:
                    client.set_registered_model_tag(name, key, value)
                elif value is None:
                    client.delete_model_version_tag(name, str(version), key)
                else:
                    client.set_model_version_tag(name, str(version), key, value)

    def set_alias(self, name: str, alias: str, version: int | None) -> None:
        with self._client(name, version) as client:
            if version is None:
                client.delete_registered_model_alias(name, alias)
            else:
                client.set_registered_model_alias(name, alias, str(version))

    def leave_stage(self, name: str, version: int) -> None:
        with self._client(name, version) as client, warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # stages are on their way out: that is the point
            client.transition_model_version_stage(name, str(version), "None")

    def delete(self, name: str, version: int | None) -> None:
        with self._client(name, version) as client:
            if version is None:
                client.delete_registered_model(name)
            else:
                client.delete_model_version(name, str(version))

    def location(self, name: str, version: int) -> str:
        with self._client(name, version) as client:
            return str(client.get_model_version_download_uri(name, str(version)))

    @contextlib.contextmanager
    def _client(self, name: str | None = None, version: int | None = None) -> Iterator[Any]:
        """Give MLflow's client; what it does not find is the model or the version that was asked for."""
        with library(self._to, self._waiting):
            from mlflow import MlflowClient
            from mlflow.exceptions import MlflowException

            client = MlflowClient(self._to.tracking_uri, self._to.registry_uri or self._to.tracking_uri)
            try:
                yield client
            except MlflowException as error:
                raise self._said(error, client, name, version) from error
            except MlxError:
                raise
            except Exception as error:  # of a database driver, or of a vendor's library
                raise UnreachableError(
                    f"tracker {self._to.name!r}: {self._to.shown_url}: {plain(type(error).__name__)}",
                    hint=f"mlx tracker test {self._to.name}",
                ) from error

    def _said(self, error: Any, client: Any, name: str | None, version: int | None) -> MlxError:
        where, code = f"tracker {self._to.name!r}", str(error.error_code)
        if code in _GONE and name is not None:
            if version is not None:
                with contextlib.suppress(Exception):
                    client.get_registered_model(name)
                    return no_version(name, version)
            return no_model(name, lambda: [item.name for item in _some(client)])
        if code in _GONE:
            return NotFoundError(f"{where}: {plain(error.message)}")
        if code in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
            hint = (
                f"ask who runs {self._to.shown_url} for the permission"
                if code == "PERMISSION_DENIED"
                else None
            )
            return CredentialsError(f"{where}: {self._to.shown_url} does not allow it", hint=hint)
        return MlxError(f"{where}: {plain(error.message)[:500]}")


def _create(client: Any, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS"):
            raise


def _some(client: Any) -> list[Any]:
    with contextlib.suppress(Exception):
        return list(client.search_registered_models(max_results=_PAGE))
    return []


def _aliases(item: Any) -> dict[str, int]:
    told = item.aliases or {}
    return {str(alias): int(version) for alias, version in dict(told).items()}


def _model(item: Any) -> RegisteredModel:
    aliases = _aliases(item)
    versions = [_version(version, aliases) for version in item.latest_versions or ()]
    newest = max(versions, key=lambda version: version.version, default=None)
    return RegisteredModel(
        name=item.name,
        description=item.description or "",
        tags=dict(item.tags or {}),
        aliases=aliases,
        latest=newest.version if newest else None,
        created=seconds(item.creation_timestamp),
        updated=seconds(item.last_updated_timestamp or item.creation_timestamp),
        newest=newest,
    )


def _version(item: Any, aliases: Mapping[str, int] | None) -> ModelVersion:
    number, source = int(item.version), str(item.source or "")
    own = (
        item.aliases or () if aliases is None else [key for key, value in aliases.items() if value == number]
    )
    return ModelVersion(
        name=item.name,
        version=number,
        source=source,
        run_id=item.run_id or "",
        model_id=getattr(item, "model_id", None) or model_id_in(source),
        description=item.description or "",
        status=str(item.status or "READY"),
        status_message=item.status_message or "",
        user=item.user_id or "",
        legacy_stage=legacy_stage(item.current_stage),
        tags=dict(item.tags or {}),
        aliases=tuple(sorted(own)),
        created=seconds(item.creation_timestamp),
        updated=seconds(item.last_updated_timestamp or item.creation_timestamp),
    )
