"""Taking entries out of a shared cache, and content that nobody known refers to after that."""

from __future__ import annotations

from collections.abc import Sequence

from ..artifacts.store import EntryStore
from ..runs.deletion import Freed, is_referred_to, somebody_runs, try_to_remove
from ..runs.history import History
from ..runs.schema import transaction
from .cache_entries import Slot
from .presence import at_once


def clear(store: EntryStore, doomed: Sequence[Slot]) -> None:
    """Remove entries; a step that they were of runs again, and is published again."""
    for _ in at_once(store, lambda slot: store.delete_entry(slot.name), doomed):
        pass


def free(store: EntryStore, doomed: Sequence[Slot], left: Sequence[Slot], history: History) -> Freed:
    """Remove the content of entries that went which no entry that is left, and no run of this project, refers to.

    Whether a run of another checkout does, nobody can say here: the caller has to know that there is none.
    """
    if any(slot.is_newer for slot in left):
        why = f"all content in {store.location}: a newer mlx wrote entries that may refer to it"
        return Freed(failed=(why,))
    kept = {output.uri for slot in left if slot.entry for output in slot.entry.outputs}
    uris = dict.fromkeys(
        output.uri for slot in doomed if slot.entry for output in slot.entry.outputs if output.uri
    )
    removed, size, failed = 0, 0, []
    with transaction(history.connection):
        if somebody_runs(history):
            return Freed(is_postponed=True)
        for uri in uris:
            if uri in kept or is_referred_to(history, uri):
                continue
            went = try_to_remove(store, uri)
            if isinstance(went, str):
                failed.append(went)
            else:
                removed, size = removed + 1, size + went
    return Freed(removed, size, len(failed), failed=tuple(failed))
