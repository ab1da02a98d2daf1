"""What a server's answers about models and runs say, as records of ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ....stacks.model_addresses import model_id_in
from ....stacks.registries import LoggedMetric, LoggedModel, ModelVersion, RegisteredModel, TrackedRun
from ..connection import Connection
from ..links import run_url
from .rules import is_id, last_values, legacy_stage, seconds


def model_from(told: Mapping[str, Any]) -> RegisteredModel:
    """Read a registered model."""
    aliases = {str(item["alias"]): int(item["version"]) for item in told.get("aliases") or ()}
    latest = [version_from(item, aliases) for item in told.get("latest_versions") or ()]
    newest = max(latest, key=lambda version: version.version, default=None)
    created = told.get("creation_timestamp")
    return RegisteredModel(
        name=str(told["name"]),
        description=str(told.get("description") or ""),
        tags=_texts(told.get("tags")),
        aliases=aliases,
        latest=newest.version if newest else None,
        created=seconds(created),
        updated=seconds(told.get("last_updated_timestamp") or created),
        newest=newest,
    )


def version_from(told: Mapping[str, Any], aliases: Mapping[str, int] | None = None) -> ModelVersion:
    """Read a version; `aliases` are its model's, where the answer has none of its own."""
    number, source = int(told["version"]), str(told.get("source") or "")
    own = (
        (str(alias) for alias in told.get("aliases") or ())
        if aliases is None
        else (alias for alias, version in aliases.items() if version == number)
    )
    created = told.get("creation_timestamp")
    return ModelVersion(
        name=str(told["name"]),
        version=number,
        source=source,
        run_id=str(told.get("run_id") or ""),
        model_id=str(told.get("model_id") or "") or model_id_in(source),
        description=str(told.get("description") or ""),
        status=str(told.get("status") or "READY"),
        status_message=str(told.get("status_message") or ""),
        user=str(told.get("user_id") or ""),
        legacy_stage=legacy_stage(told.get("current_stage")),
        tags=_texts(told.get("tags")),
        aliases=tuple(sorted(own)),
        created=seconds(created),
        updated=seconds(told.get("last_updated_timestamp") or created),
    )


def run_from(told: Mapping[str, Any], to: Connection) -> TrackedRun:
    """Read a run."""
    info, data = told["info"], told.get("data") or {}
    run_id, experiment = str(info["run_id"]), str(info.get("experiment_id") or "")
    tags = _texts(data.get("tags"))
    return TrackedRun(
        run_id=run_id,
        experiment_id=experiment,
        name=str(info.get("run_name") or tags.get("mlflow.runName", "")),
        status=str(info.get("status") or ""),
        started=seconds(info.get("start_time")),
        ended=seconds(info["end_time"]) if info.get("end_time") else None,
        params=_texts(data.get("params")),
        metrics={str(item["key"]): float(item["value"]) for item in data.get("metrics") or ()},
        tags=tags,
        url=run_url(to, experiment, run_id),
        is_deleted=info.get("lifecycle_stage") == "deleted",
        models=models_told(told),
    )


def models_told(run: Mapping[str, Any]) -> tuple[str, ...]:
    """Read the ids of the models that a run logged."""
    listed = (run.get("outputs") or {}).get("model_outputs") or ()
    return tuple(dict.fromkeys(item["model_id"] for item in listed if is_id(item["model_id"])))


def logged_model_from(told: Mapping[str, Any]) -> LoggedModel | None:
    """Read a logged model; None for one whose files are not all there."""
    info, data = told["info"], told.get("data") or {}
    if str(info.get("status") or "") not in ("", "READY", "LOGGED_MODEL_READY"):
        return None
    measured = [
        LoggedMetric(
            str(item["key"]), float(item["value"]), str(item.get("run_id") or ""),
            int(item.get("timestamp") or 0), int(item.get("step") or 0),
        )
        for item in data.get("metrics") or ()
    ]  # fmt: skip
    measured.sort(key=lambda item: (item.step, item.time))
    return LoggedModel(
        name=str(info.get("name") or info["model_id"]),
        uri=f"models:/{info['model_id']}",
        run_id=str(info.get("source_run_id") or ""),
        model_id=str(info["model_id"]),
        created=seconds(info.get("creation_timestamp_ms")),
        tags=_texts(info.get("tags")),
        metrics=last_values(measured),
        measured=tuple(measured),
    )


def _texts(told: Iterable[Mapping[str, Any]] | None) -> dict[str, str]:
    return {str(item["key"]): str(item.get("value") or "") for item in told or ()}
