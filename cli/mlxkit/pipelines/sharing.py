"""The two calls that a step makes to the shared cache: one before it runs, one after.

    answer = find_shared(store, key, is_tracked=..., tracker=..., tracked_on=...)
    if answer.source is not None: serve it as any cached step; answer.reason says from whom
    else: answer.reason says why not, or is empty where there is no entry

    publish_shared(store, record, pipeline=..., tracked_on=..., root=..., say=reporter.detail)

Both do nothing, and cost nothing, where the store is not shared. They take plain facts, so that a worker can call them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..artifacts.store import ArtifactStore
from ..runs.records import TRACKER_LINK, StepRecord

if TYPE_CHECKING:
    from ..stacks.resolve import ResolvedComponent


class SharedAnswer(NamedTuple):
    """The step of somebody else to serve, and who that is; or why there is none."""

    source: StepRecord | None
    reason: str


def is_shared(store: ArtifactStore) -> bool:
    """Say whether a store has a cache that others share: a question without an answer from the store."""
    return bool(getattr(store, "is_shared", False))


def find_shared(
    store: ArtifactStore,
    key: str,
    *,
    is_tracked: bool = False,
    tracker: str | None = None,
    tracked_on: str | None = None,
) -> SharedAnswer:
    """Look a cache key up in the shared cache.

    `tracker` is the tracker that the step would be logged to, or None; `tracked_on` is its address as `address_of`
    gives it; `is_tracked` says that the step asks for it.
    """
    if not is_shared(store):
        return SharedAnswer(None, "")
    from .shared_cache import shared_cache

    cache = shared_cache(store)
    found = cache.find(key) if cache is not None else None
    if cache is None or found is None:
        return SharedAnswer(None, cache.reason if cache is not None else "")
    link = found.record.metadata.get(TRACKER_LINK)
    if is_tracked and not link:
        return SharedAnswer(None, "it was not tracked when it ran")
    if tracker is not None and link and found.tracked_on != tracked_on:
        where = found.tracked_on or f"the machine of {found.by}"
        return SharedAnswer(None, f"it was tracked on {where} when it ran")
    return SharedAnswer(found.record, found.reason)


def publish_shared(
    store: ArtifactStore,
    record: StepRecord,
    *,
    pipeline: str,
    tracked_on: str | None = None,
    root: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Tell others of a step that completed and is recorded; its outputs have to be in the store."""
    if record.status != "completed" or not is_shared(store):
        return
    from .shared_cache import shared_cache

    cache = shared_cache(store)
    if cache is not None:
        cache.publish(record, pipeline=pipeline, tracked_on=tracked_on, root=root, say=say)


def address_of(component: ResolvedComponent | None) -> str | None:
    """Return what tells one tracker from another for everybody: its address without credentials.

    It is empty for a store of this machine alone, which is another one on each machine; None without a tracker.
    """
    if component is None:
        return None
    import socket
    from urllib.parse import urlsplit

    from ..stacks.addresses import bare_address, is_loopback

    given: Any = component.attributes.get("tracking_uri") or ""
    text = str(given.reveal() if hasattr(given, "reveal") else given)
    host: Any = component.attributes.get("databricks_host") or ""
    if text == "databricks":
        return str(host.reveal() if hasattr(host, "reveal") else host)
    if "://" not in text or text.startswith(("sqlite:", "file:")):
        return ""
    address = bare_address(text).rstrip("/")
    if is_loopback(urlsplit(address).hostname or ""):
        return f"{address} on {socket.gethostname()}"
    return address
