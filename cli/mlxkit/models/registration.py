"""Registering a model version: once for one model, with everything that ties it to its run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..errors import NotFoundError, UsageError
from ..runs.queries import RunQueries
from ..stacks.registries import LoggedModel, ModelRegistry, ModelVersion
from . import tags as names
from .origin import Origin, find_origin

_RUN_URI = re.compile(r"runs:/+([^/]+)/(.+)")


@dataclass(frozen=True)
class Registration:
    """What became of it: the version, whether it was made now, and what a person should know."""

    version: ModelVersion
    is_new: bool
    notes: tuple[str, ...] = field(default=())


def register(
    registry: ModelRegistry,
    queries: RunQueries,
    name: str,
    run: str,
    *,
    step: str | None = None,
    path: str | None = None,
    version_tag: str | None = None,
    description: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> Registration:
    """Register the model of a run; one that is registered under this name already is not registered again.

    Raises NotFoundError for a run without a model, UsageError for tags and version tags that cannot be.
    """
    own = checked_tags(tags)
    check_version_tag(version_tag)
    return register_origin(
        registry, name, find_origin(registry, queries, run, step=step, path=path),
        version_tag=version_tag, description=description, tags=own,
    )  # fmt: skip


def register_uri(
    registry: ModelRegistry,
    queries: RunQueries,
    name: str,
    uri: str,
    *,
    run_id: str | None = None,
    version_tag: str | None = None,
    description: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> Registration:
    """Register what lies at an address; `runs:/ID/PATH` is the model of that run."""
    own = checked_tags(tags)
    check_version_tag(version_tag)
    of_run = _RUN_URI.fullmatch(uri)
    if of_run:
        origin = find_origin(registry, queries, of_run[1], path=of_run[2])
    else:
        origin = Origin(LoggedModel(name=uri.rpartition("/")[2], uri=uri, run_id=run_id or ""))
    return register_origin(registry, name, origin, version_tag=version_tag, description=description, tags=own)


def register_origin(
    registry: ModelRegistry,
    name: str,
    origin: Origin,
    *,
    version_tag: str | None,
    description: str | None,
    tags: Mapping[str, str],
) -> Registration:
    """Make a version of a logged model, or return the one that there is, with what is said of it now."""
    known = _versions(registry, name)
    notes = _label_notes(known, version_tag, origin)
    label = {names.VERSION_TAG: version_tag} if version_tag else {}
    before = next((version for version in known if _is_of(version, origin.model)), None)
    if before is None:
        made = registry.register(
            name, origin.model, description=description or "", tags={**origin.tags, **label, **tags}
        )
        return Registration(made, True, notes)
    changed: dict[str, str | None] = {
        key: value for key, value in {**label, **tags}.items() if before.tags.get(key) != value
    }
    if changed:
        registry.set_tags(name, changed, version=before.version)
    if description is not None and description != before.description:
        registry.set_description(name, description, version=before.version)
    merged = {**before.tags, **{key: value for key, value in changed.items() if value is not None}}
    same = replace(
        before, tags=merged, description=before.description if description is None else description
    )
    return Registration(same, False, notes)


def check_version_tag(label: str | None) -> None:
    """Refuse a version tag that could be taken for something else in `NAME:TAG`."""
    if label is None:
        return
    if not label.strip() or re.search(r"[:@/\s]", label):
        raise UsageError(
            f"a version tag has no blanks, ':', '@' or '/': {label!r}", hint="--version-tag 1.0.0"
        )
    if re.fullmatch(r"[vV]?\d+|latest", label):
        raise UsageError(
            f"the version tag {label!r} would be taken for a version that the registry counts itself",
            hint=f"--version-tag {label.lstrip('vV') if label != 'latest' else '1'}.0",
        )


def checked_tags(tags: Mapping[str, object] | None) -> dict[str, str]:
    """Return tags as text; those that mlx writes itself are refused."""
    found = {str(key): str(value) for key, value in (tags or {}).items()}
    for key in found:
        if key.startswith(names.OURS):
            raise UsageError(f"tags that begin with {names.OURS!r} are written by mlx alone: {key!r}")
    return found


def _versions(registry: ModelRegistry, name: str) -> list[ModelVersion]:
    try:
        return registry.versions(name)
    except NotFoundError:
        return []


def _is_of(version: ModelVersion, model: LoggedModel) -> bool:
    if model.model_id and version.model_id:
        return model.model_id == version.model_id
    return version.source == model.uri


def _label_notes(known: list[ModelVersion], label: str | None, origin: Origin) -> tuple[str, ...]:
    holder = next(
        (version for version in known if label and version.tags.get(names.VERSION_TAG) == label), None
    )
    if holder is None or _is_of(holder, origin.model):
        return ()
    return (
        f"version tag {label} was on {holder.reference}; {holder.name}:{label} means the newest from now on",
    )
