"""The two calls that a step makes to the shared cache: one before it runs, one after.

    answer = find_shared(store, key, run, is_tracked=..., tracker=...)
    if answer.source is not None: serve it as any cached step; answer.reason says from whom
    else: answer.reason says why not, or is empty where there is no entry

    publish_shared(store, record, run, say=reporter.detail)

A step that this project's own history serves is told of by `publish_served`: the entry may not be there.
All do nothing, and cost nothing, where nobody shares the store. A worker can call them as well as the driver.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from ..artifacts.store import ArtifactStore
from ..artifacts.trust import unmarked
from ..runs.records import TRACKER_LINK, TRACKER_NAME, StepRecord

if TYPE_CHECKING:
    from .context import PipelineContext
    from .session import Session


class SharedAnswer(NamedTuple):
    """The step of somebody else to serve, and who that is; or why there is none."""

    source: StepRecord | None
    reason: str


def is_shared(store: ArtifactStore) -> bool:
    """Say whether a store has a cache that others share; the store is not asked for it."""
    return bool(getattr(store, "is_shared", False))


def find_shared(
    store: ArtifactStore,
    key: str,
    run: PipelineContext,
    *,
    is_tracked: bool = False,
    tracker: str | None = None,
) -> SharedAnswer:
    """Look a cache key up in the shared cache.

    `tracker` is the one that the step would be logged to, or None; `is_tracked` says that the step asks for one.
    """
    if not is_shared(store):
        return SharedAnswer(None, "")
    from .shared_cache import shared_cache

    cache = shared_cache(store)
    found, reason = cache.look(key) if cache is not None else (None, "")
    if found is None:
        return SharedAnswer(None, reason)
    link = found.record.metadata.get(TRACKER_LINK)
    if is_tracked and not link:
        return SharedAnswer(None, "it was not tracked when it ran")
    if tracker is not None and link and found.tracked_on != _tracked_on(run, tracker):
        where = found.tracked_on or f"the machine of {found.by}"
        return SharedAnswer(None, f"it was tracked on {where} when it ran")
    return SharedAnswer(replace(found.record, metadata=_here(found.record.metadata, tracker)), found.reason)


def publish_served(
    store: ArtifactStore, source: StepRecord, run: PipelineContext, reason: str, *, say: Callable[[str], None]
) -> None:
    """Tell others of a step of this project's own that another is served from, where nobody has told them yet.

    It ran before the store was shared, or its entry was removed since. What came from others is theirs to tell of.
    """
    if source.status != "completed" or not is_shared(store):
        return
    from .shared_cache import SHARED

    is_own = all(unmarked(output.summary) == dict(output.summary) for output in source.outputs)
    if is_own and not reason.startswith(SHARED):
        publish_shared(store, source, run, say=say, is_again=True)


def publish_shared(
    store: ArtifactStore,
    record: StepRecord,
    run: PipelineContext,
    *,
    say: Callable[[str], None],
    is_again: bool = False,
) -> None:
    """Tell others of a step that completed and is recorded; its outputs have to be in the store.

    Where it `is_again`, its entry is mostly there.
    """
    if record.status != "completed" or not is_shared(store):
        return
    from .shared_cache import shared_cache

    cache, session = shared_cache(store), _session_of(run)
    if cache is None:
        return
    cache.publish(
        record, pipeline=run.name, tracked_on=_tracked_on(run, record.metadata.get(TRACKER_NAME)),
        root=session.project.config_path.parent if session is not None else None, say=say, is_again=is_again,
    )  # fmt: skip


def _here(metadata: Mapping[str, Any], tracker: str | None) -> dict[str, Any]:
    """Return what a step noted with the tracker as this project calls it, or without what is on none of its trackers."""
    if tracker is None:
        links = (TRACKER_LINK, TRACKER_NAME)
        return {
            key: value
            for key, value in metadata.items()
            if key not in links and not key.startswith("mlflow_")
        }
    return {**metadata, TRACKER_NAME: tracker} if metadata.get(TRACKER_LINK) else dict(metadata)


def _session_of(run: PipelineContext) -> Session | None:
    from .session import current_session

    found: Session | None = run.session or current_session()
    return found


def _tracked_on(run: PipelineContext, tracker: str | None) -> str | None:
    """Return what tells one tracker from another for everybody: its address without credentials.

    It is empty for a store of this machine alone, which is another one on each machine; None without a tracker.
    """
    session = _session_of(run)
    if not tracker or session is None:
        return None
    attributes = session.tracker_component(tracker).attributes
    uri = _text(attributes.get("tracking_uri"))
    if uri == "databricks":
        return _text(attributes.get("databricks_host"))
    if "://" not in uri or uri.startswith(("sqlite:", "file:")):
        return ""
    import socket
    from urllib.parse import urlsplit

    from ..stacks.addresses import bare_address, is_loopback

    address = bare_address(uri).rstrip("/")
    is_here = is_loopback(urlsplit(address).hostname or "")
    return f"{address} on {socket.gethostname()}" if is_here else address


def _text(value: Any) -> str:
    return str(value.reveal() if hasattr(value, "reveal") else value or "")
