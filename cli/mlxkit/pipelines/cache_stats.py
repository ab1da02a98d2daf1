"""The cache in numbers: what it holds, and what it saved here."""

from __future__ import annotations

from collections.abc import Sequence

from ..artifacts.store import ArtifactStore
from ..dataclass import dataclass
from ..records import Record
from ..runs.history import History
from ..runs.records import iso
from .cache_entries import Slot, entry_store
from .shared_cache import SHARED


@dataclass(frozen=True)
class CacheStats(Record):
    """What the cache of an artifact store holds, and how often it served steps of this project's runs.

    `size` is the content that entries speak of, each counted once, in bytes; `damaged` entries are not believed. `ran`,
    `from_history` and `from_others` count the steps of the runs in this project's history: those that ran, that came
    from a run of this project, and that came from the shared cache; `seconds_saved` is what the latter two took when
    they ran, as far as that is known here.
    """

    store: str
    is_shared: bool
    entries: int
    damaged: int
    size: int
    people: int
    oldest: str | None
    newest: str | None
    ran: int
    from_history: int
    from_others: int
    seconds_saved: float


def stats(found: Sequence[Slot], store: ArtifactStore, history: History) -> CacheStats:
    """Count."""
    entries = [slot.entry for slot in found if slot.entry is not None]
    sizes = {output.digest: output.size for entry in entries for output in entry.outputs}
    ran, cached, others = history.connection.execute(
        "SELECT COUNT(*) FILTER (WHERE status = 'completed'), COUNT(*) FILTER (WHERE status = 'cached'), "
        "COUNT(*) FILTER (WHERE status = 'cached' AND substr(reason, 1, ?) = ?) FROM steps",
        (len(SHARED), SHARED),
    ).fetchone()
    took = {entry.key: entry.seconds for entry in entries}
    served = history.connection.execute(
        "SELECT cache_key, COUNT(*) FROM steps WHERE status = 'cached' GROUP BY cache_key"
    )
    return CacheStats(
        store=store.location, is_shared=entry_store(store) is not None, entries=len(entries),
        damaged=len(found) - len(entries), size=sum(sizes.values()), people=len({entry.by for entry in entries}),
        oldest=iso(min((entry.written for entry in entries), default=None)),
        newest=iso(max((entry.written for entry in entries), default=None)),
        ran=ran, from_history=cached - others, from_others=others,
        seconds_saved=round(sum(took.get(key, 0.0) * count for key, count in served), 3),
    )  # fmt: skip
