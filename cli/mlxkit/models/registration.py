"""Registering a model version: once for one model, with everything that ties it to its run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import field, replace
from pathlib import Path

from ..config.state_lock import state_lock
from ..dataclass import dataclass
from ..errors import NotFoundError, UsageError
from ..runs.queries import RunQueries
from ..stacks.model_addresses import run_path_in
from ..stacks.registries import ALL_VERSIONS, LoggedModel, ModelRegistry, ModelVersion
from . import tags as names
from .origin import Origin, find_origin
from .references import label_of

_PATIENCE = 330.0  # seconds: a workspace may copy the files of one model for five minutes


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
    lock: AbstractContextManager[None],
) -> Registration:
    """Register the model of a run; one that is registered under this name already is not registered again.

    With another version tag it is: a version is one model under one label. `lock` is that of `register_lock`.
    Raises NotFoundError for a run without a model, UsageError for tags and version tags that cannot be.
    """
    own = checked_tags(tags)
    check_version_tag(version_tag)
    return register_origin(
        registry, name, find_origin(registry, queries, run, step=step, path=path),
        version_tag=version_tag, description=description, tags=own, lock=lock,
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
    lock: AbstractContextManager[None],
) -> Registration:
    """Register what lies at an address; `runs:/ID/PATH` is the model of that run."""
    own = checked_tags(tags)
    check_version_tag(version_tag)
    of_run = run_path_in(uri)
    if of_run:
        origin = find_origin(registry, queries, of_run[0], path=of_run[1])
    else:
        origin = Origin(LoggedModel(name=uri.rpartition("/")[2], uri=uri, run_id=run_id or ""))
    return register_origin(
        registry, name, origin, version_tag=version_tag, description=description, tags=own, lock=lock
    )


def register_lock(state_dir: Path) -> AbstractContextManager[None]:
    """Return the lock, to be held once, of a project from the look-up of a model to its registration."""
    return state_lock(state_dir, "models/register.lock", timeout=_PATIENCE)


def register_origin(
    registry: ModelRegistry,
    name: str,
    origin: Origin,
    *,
    version_tag: str | None,
    description: str | None,
    tags: Mapping[str, str],
    lock: AbstractContextManager[None],
) -> Registration:
    """Make a version of a logged model, or return the one that there is, with what is said of it now.

    Processes of one project do this one after the other; between projects and machines the registry decides alone,
    and two that register one model at the same moment make two versions of it.
    """
    with lock:
        known = _versions(registry, name)
        same = [version for version in known if _is_of(version, origin.model)]
        before = _meant(same, version_tag)
        notes = (*origin.notes, *_label_notes(known, version_tag, origin, before))
        if before is not None:
            changed, told = _said(registry, before, version_tag, description, tags)
            return Registration(changed, False, (*notes, *told))
        label = {names.VERSION_TAG: version_tag} if version_tag else {}
        made = registry.register(
            name, origin.model, description=description or "", tags={**origin.tags, **label, **tags}
        )
        twins = tuple(f"{item.reference} ({label_of(item)}) is the same model" for item in same[:1])
        return Registration(made, True, (*notes, *twins))


def _meant(same: Sequence[ModelVersion], label: str | None) -> ModelVersion | None:
    """Return the version of a model that has the label or may get it, the newest first; without a label any is meant."""
    if label is None:
        return next(iter(same), None)
    fitting = [version for version in same if label_of(version) == label]
    return next(iter([*fitting, *(version for version in same if label_of(version) is None)]), None)


def _said(
    registry: ModelRegistry,
    before: ModelVersion,
    label: str | None,
    description: str | None,
    tags: Mapping[str, str],
) -> tuple[ModelVersion, tuple[str, ...]]:
    """Write what is said of a version that is there already; return it as it is then, and what was changed."""
    wanted = {**({names.VERSION_TAG: label} if label else {}), **tags}
    changed = {key: value for key, value in wanted.items() if before.tags.get(key) != value}
    told = [
        f"version tag {value}" if key == names.VERSION_TAG else f"tag {key}" for key, value in changed.items()
    ]
    if changed:
        registry.set_tags(before.name, changed, version=before.version)
    text = before.description if description is None else description
    if text != before.description:
        registry.set_description(before.name, text, version=before.version)
        told.append("description")
    after = replace(before, tags={**before.tags, **changed}, description=text)
    return after, ((f"{before.reference}: set {', '.join(told)}",) if told else ())


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
        return registry.versions(name, limit=ALL_VERSIONS)
    except NotFoundError:
        return []


def _is_of(version: ModelVersion, model: LoggedModel) -> bool:
    if model.model_id and version.model_id:
        return model.model_id == version.model_id
    inside = run_path_in(model.uri)
    if inside is not None:  # a version says where the run's files are
        return version.run_id == inside[0] and version.source.rstrip("/").endswith(f"/{inside[1]}")
    return version.source == model.uri


def _label_notes(
    known: Sequence[ModelVersion], label: str | None, origin: Origin, before: ModelVersion | None
) -> tuple[str, ...]:
    """Say which other model has the label; `NAME:LABEL` means the newest version that has it."""
    holder = next((version for version in known if label and label_of(version) == label), None)
    if holder is None or _is_of(holder, origin.model):
        return ()
    meaning = f"{holder.name}:{label} means"
    if before is not None and before.version < holder.version:
        return (f"version tag {label} is on {holder.reference} too; {meaning} that one, the newest",)
    return (f"version tag {label} was on {holder.reference}; {meaning} the newest from now on",)
