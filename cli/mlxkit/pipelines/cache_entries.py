"""What the cache can give: the entries of a shared store, or the steps of this project's own history."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import cast

from ..artifacts.store import ArtifactStore, EntryStore
from ..config.paths import Project
from ..dataclass import dataclass
from ..errors import MlxError
from ..records import Record
from ..runs.history import _STEP, History
from ..runs.records import iso
from .presence import at_once, first_gone
from .shared_cache import is_of_one_name, shared_cache
from .shared_entry import PREFIX, CacheEntry, UnbelievableEntryError, entry_name, key_of, read_entry
from .stores import stores_of


@dataclass(frozen=True)
class Slot:
    """The place of one cache key: an entry, or why what lies there is not believed; `name` is the store's, if any."""

    key: str
    entry: CacheEntry | None
    problem: str = ""
    is_newer: bool = False
    name: str = ""

    @property
    def written(self) -> float:
        """When it was written, in seconds since the epoch; 0 where nobody knows."""
        return self.entry.written if self.entry else 0.0


@dataclass(frozen=True)
class CacheListing(Record):
    """What a step gave, kept for whoever would run the same: `name` is `pipeline::step`, `key` the cache key.

    `by` is who ran it, as user@host, empty for this project itself; `size` is that of the outputs in bytes.
    `problem` says why an entry is not believed.
    """

    name: str
    key: str
    outputs: tuple[str, ...]
    size: int
    by: str
    run: str
    created: str | None
    problem: str = ""


def entry_store(store: ArtifactStore) -> EntryStore | None:
    """Return a store as one that others share, or None where nobody does."""
    return cast("EntryStore", store) if shared_cache(store) is not None else None


def slots(store: ArtifactStore, history: History, project: Project) -> list[Slot]:
    """Return all that the cache of a store holds, the newest first.

    Where nobody shares it that is of this project's history: of the stacks that keep what they make in this store, and
    of those that are no more, as far as what they made is there.
    """
    shared = entry_store(store)
    found = list(_of_history(history, store, project)) if shared is None else _of_store(shared)
    return sorted(found, key=lambda slot: slot.written, reverse=True)


def chosen(found: Iterable[Slot], step: str | None = None, before: float | None = None) -> list[Slot]:
    """Return the slots of a step (`step` or `pipeline::step`), and those that were written before a moment.

    What is not believed has no step and no time: it is only chosen when neither is given.
    """
    return [
        slot
        for slot in found
        if (step is None or (slot.entry is not None and step in (slot.entry.step, _name(slot.entry))))
        and (before is None or (slot.entry is not None and slot.written < before))
    ]


def listed(slot: Slot) -> CacheListing:
    """Return a slot as it is listed."""
    entry = slot.entry
    if entry is None:
        return CacheListing("", slot.key, (), 0, "", "", None, slot.problem)
    return CacheListing(
        _name(entry), slot.key, tuple(output.name for output in entry.outputs), entry.size, entry.by, entry.run,
        iso(entry.written),
    )  # fmt: skip


def _name(entry: CacheEntry) -> str:
    return f"{entry.pipeline}::{entry.step}"


def _of_store(store: EntryStore) -> list[Slot]:
    names = list(store.entries(PREFIX))

    found = at_once(store, lambda name: _slot(store, name), names)
    return [slot for slot in found if slot is not None]


def _slot(store: EntryStore, name: str) -> Slot | None:
    """Return what lies under a name; None when it was removed meanwhile."""
    key = key_of(name)
    try:
        content = store.get_entry(name)
    except (MlxError, OSError) as error:
        if not is_of_one_name(error):
            raise
        return Slot(key, None, str(error), name=name)
    if content is None:
        return None
    if name != entry_name(key):
        return Slot(key, None, f"{name} is not where an entry lies", name=name)
    try:
        return Slot(key, read_entry(content, key), name=name)
    except UnbelievableEntryError as error:
        return Slot(key, None, str(error), error.is_newer, name)


def _of_history(history: History, store: ArtifactStore, project: Project) -> Iterator[Slot]:
    """Give the newest completed step of each cache key."""
    store_of = stores_of(project, with_shared=True)
    is_of: dict[str, bool | None] = {}
    for (stack,) in history.connection.execute("SELECT DISTINCT stack FROM runs").fetchall():
        used = store_of(stack)
        is_of[stack] = None if used is None else used.location == store.location
    stacks = json.dumps([stack for stack, uses in is_of.items() if uses is not False])
    runs = history.connection.execute(
        "SELECT id, pipeline, stack FROM runs WHERE stack IN (SELECT value FROM json_each(?))", (stacks,)
    )
    ran = {run_id: (pipeline, stack) for run_id, pipeline, stack in runs.fetchall()}
    rows = history.connection.execute(  # the columns are constants
        f"SELECT {_STEP} FROM steps WHERE id IN (SELECT id FROM (SELECT s.id, MAX(s.started) FROM steps s "  # noqa: S608
        "JOIN runs r ON r.id = s.run_id WHERE s.status = 'completed' AND s.cache_key != '' "
        "AND r.stack IN (SELECT value FROM json_each(?)) GROUP BY s.cache_key))",
        (stacks,),
    )
    for step in (history._step(row) for row in rows.fetchall()):
        pipeline, stack = ran.get(step.run_id, ("", ""))
        if is_of.get(stack) is None and first_gone(store, step.outputs) is not None:
            continue
        entry = CacheEntry(
            key=step.cache_key, step=step.name, pipeline=pipeline, run=step.run_id,
            step_id=step.id, seconds=step.duration, by="", written=step.ended, outputs=step.outputs,
            metadata=step.metadata, parts=step.parts,
        )  # fmt: skip
        yield Slot(step.cache_key, entry)
