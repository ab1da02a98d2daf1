"""Artifacts, metadata, models and tags, called as ZenML's functions are called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import UsageError
from ..pipelines import models, named, outputs
from ..pipelines.context import current_pipeline, current_step, get_step_context
from ..pipelines.context import log_metadata as log
from ..runs.views import ArtifactView
from .notes import note


class ArtifactConfig(outputs.ArtifactConfig):
    """What a step says of an output beside its type."""

    def __init__(
        self,
        name: str | None = None,
        version: str | int | None = None,
        tags: Sequence[Any] | None = None,
        run_metadata: Mapping[str, Any] | None = None,
        artifact_type: Any = None,
        is_model_artifact: bool = False,
        is_deployment_artifact: bool = False,
        model_name: str | None = None,
        model_version: str | None = None,
    ) -> None:
        if is_model_artifact or is_deployment_artifact:
            artifact_type = "ModelArtifact" if is_model_artifact else "ServiceArtifact"
        if model_name or model_version:
            raise UsageError(
                "ArtifactConfig(model_name=...) is not supported by mlx: an output belongs to the model of its step",
                hint="@step(model=Model(name=...))",
            )
        super().__init__(name, version, tag_names(tags), dict(run_metadata or {}), artifact_type)


class Model(models.Model):
    """What a pipeline or a step works on."""

    def __init__(self, name: str, version: Any = None, **more: Any) -> None:
        if more.pop("save_models_to_registry", True) is False:
            note(
                "Model(save_models_to_registry=False) has no effect: only mlflow_register_model_step registers"
            )
        more.pop("suppress_class_validation_warnings", None)
        more["tags"] = tuple(tag_names(more.get("tags")))
        super().__init__(name, None if version is None else str(version), **more)


class Tag:
    """A tag; only its name is kept."""

    def __init__(
        self, name: str, color: Any = None, cascade: bool | None = None, exclusive: bool = False
    ) -> None:
        if exclusive or cascade:
            raise UsageError("Tag(cascade=, exclusive=) is not supported by mlx: tags are plain words")
        self.name, self.color = name, color


def ExternalArtifact(value: Any = None, **options: Any) -> Any:
    """Return a value to be given to a step, which stores it as one of its inputs."""
    if "id" in options or "name" in options:
        return named.load_artifact(str(options.get("id") or options["name"]), options.get("version"))
    return value


def save_artifact(
    data: Any,
    name: str,
    version: str | int | None = None,
    artifact_type: Any = None,  # noqa: ARG001  what it is shows from its type
    tags: Sequence[Any] | None = None,
    extract_metadata: bool = True,  # noqa: ARG001  facts are always kept
    include_visualizations: bool = True,  # noqa: ARG001  pictures are made when they are looked at
    user_metadata: Mapping[str, Any] | None = None,
    materializer: Any = None,
    **refused: Any,
) -> ArtifactView:
    """Store a value under a name."""
    _refuse("save_artifact", {key: value for key, value in refused.items() if value})
    return named.save_artifact(
        data, name, version, tag_names(tags), user_metadata=user_metadata, materializer=materializer
    )


def log_metadata(metadata: Mapping[str, Any], **target: Any) -> None:
    """Attach metadata to the running step or pipeline, to an output of the step, or to the model of the run."""
    named_targets = ("artifact_name", "infer_artifact", "model_name", "model_version", "infer_model")
    known = {key: target.pop(key) for key in named_targets if target.get(key)}
    target = {key: value for key, value in target.items() if value}
    run, running = target.pop("run_id_name_or_prefix", None), current_pipeline.get()
    step = target.pop("step_name", None)
    here = current_step.get()
    if step is not None and (here is None or step != here.name):
        raise UsageError(
            "log_metadata: only the running step can be given metadata", hint="mlx runs describe"
        )
    if run is not None and (running is None or str(run) not in (running.run_id, running.run_name)):
        raise UsageError(
            "log_metadata: a run that is over keeps the metadata that it has", hint="mlx runs tag"
        )
    _refuse("log_metadata", target)
    log(metadata, **known)


def log_artifact_metadata(
    metadata: Mapping[str, Any], artifact_name: str | None = None, artifact_version: Any = None
) -> None:
    """Attach metadata to an output of the running step."""
    _refuse("log_artifact_metadata", {"artifact_version": artifact_version} if artifact_version else {})
    get_step_context().add_output_metadata(metadata, artifact_name)


def log_model_metadata(
    metadata: Mapping[str, Any], model_name: str | None = None, model_version: Any = None
) -> None:
    """Attach metadata to the model of the run."""
    log(metadata, model_name=model_name, model_version=model_version, infer_model=True)


def log_step_metadata(metadata: Mapping[str, Any], step_name: str | None = None, **target: Any) -> None:
    """Attach metadata to the running step."""
    target.pop("pipeline_name_id_or_prefix", None)
    log_metadata(metadata, step_name=step_name, **target)


def add_tags(tags: Sequence[Any], **target: Any) -> None:
    """Attach tags to an output of the running step (`infer_artifact`, `artifact_name`, `artifact`)."""
    artifact = target.pop("artifact_name", None) or target.pop("artifact", None)
    if artifact is None and not target.pop("infer_artifact", False):
        raise UsageError(
            "add_tags() is supported for outputs of the running step", hint="@pipeline(tags=[...]) tags runs"
        )
    target.pop("infer_artifact", None)
    _refuse("add_tags", {key: value for key, value in target.items() if value})
    get_step_context().add_output_tags(tag_names(tags), artifact)


def tag_names(tags: Sequence[Any] | None) -> list[str]:
    """Return tags as plain words."""
    return [tag.name if isinstance(tag, Tag) else str(tag) for tag in tags or ()]


def _refuse(function: str, left: Mapping[str, Any]) -> None:
    for key in left:
        raise UsageError(f"{function}({key}=...) is not supported by mlx")
