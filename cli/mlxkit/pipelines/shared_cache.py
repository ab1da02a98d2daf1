"""The cache that everybody with the same artifact store shares: entries beside the content that they speak of."""

from __future__ import annotations

import errno
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast
from weakref import WeakKeyDictionary

from ..artifacts.store import ArtifactStore, EntryStore
from ..dataclass import dataclass
from ..errors import MlxError
from ..records import plain
from ..runs.records import TRACKER_LINK, StepRecord
from ..secrets.masking import mask_text
from .masked import HOLDS_SECRET, holds_secret, masked
from .presence import first_gone
from .shared_entry import LARGEST, CacheEntry, UnbelievableEntryError, entry_name, read_entry, write_entry
from .whereabouts import portable, who

_OF_ONE_NAME = (
    errno.EINVAL,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.ELOOP,
    errno.ENXIO,
    errno.ENAMETOOLONG,
    errno.ENOTEMPTY,
)
SHARED = "shared cache: "  # what the reason of a step that somebody else ran begins with
_CODE = (
    "cloudpickle",
    "custom:",
    "composite",
)  # formats that may hold pickles, which other Pythons may not read


@dataclass(frozen=True)
class Found:
    """A step that somebody ran before: usable as the source of a step that is served, and who made it."""

    record: StepRecord
    by: str
    tracked_on: str | None

    @property
    def reason(self) -> str:
        """Why a step is served, for people."""
        return f"{SHARED}same as in run {self.record.run_id} of {self.by}"


class SharedCache:
    """The shared cache of one artifact store. Nothing here ever fails a run: what goes wrong is a miss, and said once.

    After a store did not answer it is not asked again: a run of many steps does not wait for each of them.
    """

    def __init__(self, store: EntryStore) -> None:
        self.store = store
        self._problem = ""  # why the store is not asked any more
        self._is_told = False

    def find(self, key: str) -> Found | None:
        """Return who ran what has this cache key and what it gave, once all of its outputs are known to be there."""
        return self.look(key)[0]

    def look(self, key: str) -> tuple[Found | None, str]:
        """Return what `find` finds, and why there is nothing where that is more than that there is no entry."""
        if self._problem:
            return None, ""
        try:
            content = self.store.get_entry(entry_name(key))
            if content is None:
                return None, ""
            entry = read_entry(content, key)
            reason = self._unusable(entry)
        except UnbelievableEntryError as error:
            return None, f"the shared entry is not believed: {error}"
        except (MlxError, OSError) as error:
            if is_of_one_name(error):
                return None, f"the shared entry cannot be read: {mask_text(str(error))}"
            self._problem = f"the shared cache does not answer: {mask_text(str(error))}"
            return None, self._problem
        return (None, reason) if reason else (Found(entry.step_record(), entry.by, entry.tracked_on), "")

    def publish(
        self,
        record: StepRecord,
        *,
        pipeline: str = "",
        tracked_on: str | None = None,
        root: Path | None = None,
        say: Callable[[str], None] = lambda _: None,
        is_again: bool = False,
    ) -> None:
        """Tell others of a step that completed; its outputs are in the store already. The first entry of a key stays.

        `say` gets what people should know: that a step gives something else each time, or why it is not shared. Where
        the step `is_again` the one that this project ran before, nothing is written if somebody believes what is there,
        and nothing is said twice.
        """
        if record.status != "completed" or not record.cache_key:
            return
        try:
            if self._problem or (is_again and self._is_told_of(record.cache_key)):
                return
            entry = _entry(record, pipeline, tracked_on, root)
            content = write_entry(entry)
            why_not = _why_not(content, entry)
            if why_not and is_again:
                return
            if why_not:
                say(f"step {record.name!r} is not in the shared cache: {why_not}")
            else:
                self._put(entry, content, say)
        except (MlxError, OSError) as error:
            if is_of_one_name(error):
                say(f"step {record.name!r} is not in the shared cache: {mask_text(str(error))}")
                return
            self._problem = f"the shared cache cannot be written: {mask_text(str(error))}"
        except (ValueError, TypeError) as error:  # what a step noted has no JSON
            say(mask_text(f"step {record.name!r} is not in the shared cache: {error}"))
        finally:
            if self._problem and not self._is_told:
                self._is_told = True
                say(f"{self._problem}; what this run makes is not shared")

    def _is_told_of(self, key: str) -> bool:
        """Say whether there is an entry whose outputs are there, whoever wrote it: one request, mostly."""
        content = self.store.get_entry(entry_name(key))
        if content is None:
            return False
        try:
            return self._missing(read_entry(content, key)) is None
        except UnbelievableEntryError as error:
            return error.is_newer

    def _put(self, entry: CacheEntry, content: bytes, say: Callable[[str], None]) -> None:
        name = entry_name(entry.key)
        there = self.store.put_entry(name, content)
        if there == content:
            return
        try:
            theirs = read_entry(there, entry.key)
        except UnbelievableEntryError as error:
            if not error.is_newer:  # nobody believes it: ours is better
                self.store.delete_entry(name)
                self.store.put_entry(name, content)
            return
        if _given(theirs) == _given(entry):
            return
        if self._missing(theirs) is not None:
            self.store.delete_entry(name)
            self.store.put_entry(name, content)
        else:
            say(
                f"step {entry.step!r} is not deterministic: run {theirs.run} of {theirs.by} with the same code and inputs "
                "gave something else, which stays in the shared cache; this run keeps its own"
            )

    def _unusable(self, entry: CacheEntry) -> str:
        missing = self._missing(entry)
        if missing is not None:
            return f"output {missing!r} of the shared entry is gone from the artifact store"
        here = ".".join(platform.python_version_tuple()[:2])
        if entry.python != here and any(item.materializer.startswith(_CODE) for item in entry.outputs):
            return f"the shared entry holds pickles of Python {entry.python}, and this is {here}"
        return ""

    def _missing(self, entry: CacheEntry) -> str | None:
        """Return the name of an output whose content is not there."""
        gone = first_gone(self.store, entry.outputs)
        return None if gone is None else gone.name


def is_of_one_name(error: BaseException) -> bool:
    """Say whether what went wrong is the matter of one document, and a store would give all others."""
    one: BaseException | None = error
    while one is not None and not isinstance(one, OSError):
        one = one.__cause__
    # Where there is more behind it, it is a library's word for what a service answered, and that goes for all names.
    return one is not None and one.__cause__ is None and one.errno in _OF_ONE_NAME


_caches: WeakKeyDictionary[ArtifactStore, SharedCache | None] = WeakKeyDictionary()


def shared_cache(store: ArtifactStore) -> SharedCache | None:
    """Return the shared cache of a store, always the same one; None where the store has no entries, or nobody shares it."""
    if store not in _caches:
        is_shared = hasattr(store, "put_entry") and getattr(store, "is_shared", False)
        _caches[store] = SharedCache(cast("EntryStore", store)) if is_shared else None
    return _caches[store]


def _entry(record: StepRecord, pipeline: str, tracked_on: str | None, root: Path | None) -> CacheEntry:
    metadata: Mapping[str, Any] = portable(masked(plain(record.metadata)), root)
    return CacheEntry(
        key=record.cache_key, step=record.name, pipeline=pipeline, run=record.run_id, step_id=record.id,
        seconds=record.duration, by=who(), written=round(time.time(), 3), outputs=record.outputs, metadata=metadata,
        parts=dict(record.parts), tracked_on=tracked_on if metadata.get(TRACKER_LINK) else None,
    )  # fmt: skip


def _given(entry: CacheEntry) -> list[tuple[str, str]]:
    return sorted((item.name, item.digest) for item in entry.outputs)


def _why_not(content: bytes, entry: CacheEntry) -> str:
    """Return why an entry must not leave this machine, or nothing."""
    if len(content) > LARGEST:
        return f"what it noted is too large ({len(content)} bytes)"
    is_secret = entry.metadata.get(HOLDS_SECRET) is True  # which this process may not know
    if is_secret or holds_secret(entry.outputs) or mask_text(content.decode()) != content.decode():
        return "what it gave holds a secret"
    return ""
