"""Whether what the cache would give is whole: its entries, and the content that they speak of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..artifacts.errors import ArtifactMissingError
from ..artifacts.proof import prove
from ..artifacts.store import ArtifactStore, EntryStore
from ..errors import MlxError
from ..records import Record
from ..runs.records import OutputRecord, artifact_of
from .cache_entries import Slot, entry_store


@dataclass(frozen=True)
class CacheProblem(Record):
    """Something that the cache would not give: `what` is wrong, with the entry of `key` or with its `output`.

    `is_removed` says that it was taken away, so that the step runs again.
    """

    name: str
    key: str
    output: str
    what: str
    is_removed: bool = False


def verify(found: Iterable[Slot], store: ArtifactStore, *, repair: bool = False) -> Iterator[CacheProblem]:
    """Check every entry and read every byte of what it speaks of; give what is wrong, entry by entry.

    With `repair` an entry with a problem is removed from a shared store, and content that is damaged from any: else it
    would be taken for good by its size, in every history that knows it.
    """
    shared = entry_store(store)
    proven: dict[str, str] = {}
    damaged: set[str] = set()  # what was read and is something else
    taken: set[str] = set()
    for slot in found:
        if slot.entry is None:
            is_removed = repair and shared is not None and not slot.is_newer and _removed(shared, slot.name)
            yield CacheProblem("", slot.key, "", slot.problem, is_removed)
            continue
        name = f"{slot.entry.pipeline}::{slot.entry.step}"
        wrong = [
            (output, what)
            for output in slot.entry.outputs
            if (what := _wrong(output, store, proven, damaged))
        ]
        is_gone = bool(wrong) and repair and shared is not None and _removed(shared, slot.name)
        for output, what in wrong:
            is_damaged = output.digest in damaged or (shared is None and output.uri)
            if repair and is_damaged and store.measure(output.uri) is not None:
                store.delete(output.uri)
                taken.add(output.uri)  # which other steps may have given, too
            yield CacheProblem(name, slot.key, output.name, what, is_gone or output.uri in taken)


def _removed(store: EntryStore, name: str) -> bool:
    """Remove an entry, and say whether it went: a folder in its place does not, if something is in it."""
    store.delete_entry(name)
    return name not in store.entries(name)


def _wrong(output: OutputRecord, store: ArtifactStore, proven: dict[str, str], damaged: set[str]) -> str:
    """Return what is wrong with the content of an output, or nothing; the same content is read once."""
    if output.digest not in proven:
        try:
            if not store.exists(artifact_of(output)) and not _has_size(output, store):
                proven[output.digest] = "it is gone from the artifact store, or has another size"
            else:
                prove(artifact_of(output), store)
                proven[output.digest] = ""
        except (MlxError, OSError, ValueError) as error:
            proven[output.digest] = str(error)
            if isinstance(error, ArtifactMissingError) and output.uri:  # anything else may pass
                damaged.add(output.digest)
    return proven[output.digest]


def _has_size(output: OutputRecord, store: ArtifactStore) -> bool:
    """Say whether content is there that was found damaged before: somebody may have mended it."""
    there = store.measure(output.uri) if output.uri else None
    return there is not None and there.size == output.size
