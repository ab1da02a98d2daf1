"""Artifacts by name, beside a step's declared outputs: save one, find one again, load it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..artifacts.io import save
from ..errors import NotFoundError, UsageError, did_you_mean
from ..records import plain
from ..runs.queries import RunQueries
from ..runs.records import OutputRecord, RunRecord, StepRecord, artifact_of, output_of
from ..runs.views import ArtifactView, Origin
from . import linked
from .context import StepContext, current_pipeline, current_step
from .session import Session, current_session

if TYPE_CHECKING:
    from ..artifacts.store import ArtifactStore
    from ..runs.history import History
    from .models import Model

LOADED = "loaded"  # in the metadata of a step: the artifacts that it asked for by name
_BY_HAND = "save_artifact"


def save_artifact(
    data: Any,
    name: str,
    version: str | int | None = None,
    tags: Sequence[str] | None = None,
    *,
    user_metadata: Mapping[str, Any] | None = None,
    materializer: Any = None,
) -> ArtifactView:
    """Store a value under a name, in the artifact store and the history, and return it.

    Inside a step it is one more output of that step, which the cache gives back with the others. Elsewhere it is a run
    of its own, of the pipeline `save_artifact`. `version` is a label to find this one by.
    """
    _check_name(name)
    context = current_step.get()
    session = _session()
    output = output_of(name, save(data, materializer=materializer, store=session.store))
    notes = {
        "version": None if version is None else str(version),
        "tags": list(tags or ()),
        "metadata": plain(dict(user_metadata or {})),
        "saved": True,
    }
    notes = {key: value for key, value in notes.items() if value}
    origin = None
    if context is None:
        origin = _record_alone(session, output, notes)
        if not session.store.exists(artifact_of(output)):  # a pruning freed it before it was anybody's
            save(data, materializer=materializer, store=session.store)
    else:
        _add_to_step(context, output, notes)
    return ArtifactView(output, session.store, notes, origin)


def load_artifact(name_or_id: str, version: str | int | None = None, *, model: Model | None = None) -> Any:
    """Return a fresh copy of an artifact's value, by its name (the newest, or that `version`) or by its digest.

    A step that asks for one runs again, and is not served from the cache, once the name stands for another content.
    Raises NotFoundError.
    """
    return get_artifact(name_or_id, version, model=model).load()


def get_artifact(
    name_or_id: str, version: str | int | None = None, *, model: Model | None = None
) -> ArtifactView:
    """Return an artifact as `load_artifact` finds it; raises NotFoundError."""
    context, session = current_step.get(), _session()
    label = None if version is None else str(version)
    run = current_pipeline.get()
    found = _saved_here(context, name_or_id, label) or linked.find(
        history_here(), name_or_id, label, model, first=run.run_id if run else None
    )
    if found is None and label is None and _is_digest(name_or_id):
        found = linked.by_digest(history_here(), name_or_id)
    if found is None:
        of = f" of model {model.name!r}" + (f" {model.version}" if model.version else "") if model else ""
        near = did_you_mean(name_or_id, linked.names(history_here()))
        raise NotFoundError(
            f"no artifact {name_or_id!r}{f' with version {label!r}' if label else ''}{of}{near}",
            hint="mlx artifact list" if model is None else f"mlx model versions {model.name}",
        )
    if context is not None:
        _remember(context, name_or_id, label, model, found.output)
    return ArtifactView(found.output, _store_with(session, found), found.notes, found.origin)


def stale(history: History, metadata: Mapping[str, Any]) -> str | None:
    """Return the name of an artifact that a step loaded and that stands for another content now, or None."""
    from .models import Model

    for item in metadata.get(LOADED, ()):
        model = Model(item["model"], item.get("model_version")) if item.get("model") else None
        found = linked.find(history, item["name"], item.get("version"), model)
        if found is None and _is_digest(item["name"]):
            found = linked.by_digest(history, item["name"])
        if found is None or found.output.digest != item["digest"]:
            return str(item["name"])
    return None


def history_here() -> History:
    """Return the history of the running pipeline, or else of the project around the working directory."""
    return _session().history


def _session() -> Session:
    running = current_pipeline.get()
    return (running.session if running is not None else None) or current_session() or Session()


def _store_with(session: Session, found: linked.Found) -> ArtifactStore:
    """Return the store of this run, or that of the stack which the artifact was made on where this one has it not."""
    from .holding import holder_of

    artifact = artifact_of(found.output)
    if found.origin is None or session.store.exists(artifact):
        return session.store
    return holder_of(session, RunQueries(session.history))(found.origin.run, artifact)


def _check_name(name: str) -> None:
    if not name or len(name) > 120 or not name.isprintable() or "::" in name:
        raise UsageError(f"{name[:40]!r} cannot name an artifact: up to 120 characters, and no ::")


def _add_to_step(context: StepContext, output: OutputRecord, notes: Mapping[str, Any]) -> None:
    if output.name in context.output_names:
        raise UsageError(
            f"step {context.name!r} has an output {output.name!r} already; save it under another name"
        )
    context.saved[:] = [item for item in context.saved if item.name != output.name]
    context.saved.append(output)
    context.metadata.setdefault(linked.NOTES, {})[output.name] = dict(notes)


def _record_alone(session: Session, output: OutputRecord, notes: Mapping[str, Any]) -> Origin | None:
    """Keep what was saved outside of any step as a finished run with that one output, and return where that is."""
    from .body import new_id

    if session.options.is_dry:
        return None
    now = time.time()
    run = RunRecord(
        id=new_id(), name=f"{_BY_HAND}-{output.name}-{new_id()[-6:]}", pipeline=_BY_HAND, stack=session.stack.name,
        status="completed", started=now, ended=now, kind="artifact",
    )  # fmt: skip
    session.history.begin_run(run, {}, "")
    session.history.record_step(
        StepRecord(
            id=new_id(), run_id=run.id, name=_BY_HAND, position=0, status="completed", started=now, ended=now,
            outputs=(output,), metadata={linked.NOTES: {output.name: dict(notes)}},
        )
    )  # fmt: skip
    session.history.finish_run(run.id, "completed")
    return Origin(run.id, _BY_HAND)


def _saved_here(context: StepContext | None, name: str, version: str | None) -> linked.Found | None:
    for output in context.saved if context else ():
        notes = linked.notes_of(context.metadata if context else {}, output.name)
        if output.name == name and version in (None, notes.get("version")):
            return linked.Found(output, notes)
    return None


def _remember(
    context: StepContext, name: str, version: str | None, model: Model | None, output: OutputRecord
) -> None:
    """Note what a step asked for and got, so that the cache can tell when the answer would be another one."""
    if any(item is output for item in context.saved):
        return
    item = {"name": name, "digest": output.digest}
    item |= {"version": version} if version else {}
    item |= {"model": model.name} if model else {}
    item |= {"model_version": str(model.version)} if model and model.version is not None else {}
    context.metadata.setdefault(LOADED, []).append(item)


def _is_digest(text: str) -> bool:
    return len(text) >= 6 and set(text) <= set("0123456789abcdef")
