"""Whether what the cache would give is whole: its entries, and the content that they speak of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..artifacts.errors import ArtifactMissingError
from ..artifacts.proof import prove
from ..artifacts.store import ArtifactStore, EntryStore
from ..dataclass import dataclass
from ..records import Record
from ..runs.deletion import try_to_remove
from ..runs.records import OutputRecord, artifact_of
from .cache_entries import Slot, entry_store

_GONE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


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
    would be taken for good by its size, in every history that knows it. What only could not be read here stays.
    Raises what keeps the store, or the disk here, from being used at all.
    """
    shared = entry_store(store)
    proven: dict[str, _Wrong | None] = {}
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
            if (what := _wrong(output, store, proven)) is not None
        ]
        is_sure = any(what.is_sure for _, what in wrong)
        is_gone = is_sure and repair and shared is not None and _removed(shared, slot.name)
        for output, what in wrong:
            is_damaged = what.is_damaged or (what.is_sure and shared is None and output.uri)
            is_there = repair and is_damaged and store.measure(output.uri) is not None
            if is_there and not isinstance(try_to_remove(store, output.uri), str):
                taken.add(output.uri)  # which other steps may have given, too
            yield CacheProblem(name, slot.key, output.name, what.text, is_gone or output.uri in taken)


@dataclass(frozen=True)
class _Wrong:
    """What is wrong with content: whether it is sure, and whether it is there and something else than it should be."""

    text: str
    is_sure: bool = True
    is_damaged: bool = False


def _removed(store: EntryStore, name: str) -> bool:
    """Remove an entry, and say whether it went: a folder in its place does not, if something is in it."""
    store.delete_entry(name)
    return name not in store.entries(name)


def _wrong(output: OutputRecord, store: ArtifactStore, proven: dict[str, _Wrong | None]) -> _Wrong | None:
    """Return what is wrong with the content of an output, or None; the same content is read once."""
    if output.digest not in proven:
        try:
            if not store.exists(artifact_of(output)) and not _has_size(output, store):
                proven[output.digest] = _Wrong("it is gone from the artifact store, or has another size")
            else:
                prove(artifact_of(output), store)
                proven[output.digest] = None
        except ArtifactMissingError as error:
            is_sure = not isinstance(error.__cause__, OSError) or isinstance(error.__cause__, _GONE)
            proven[output.digest] = _Wrong(str(error), is_sure, is_sure and bool(output.uri))
        except OSError as error:
            proven[output.digest] = _Wrong(str(error), is_sure=False)
    return proven[output.digest]


def _has_size(output: OutputRecord, store: ArtifactStore) -> bool:
    """Say whether content is there that was found damaged before: somebody may have mended it."""
    there = store.measure(output.uri) if output.uri else None
    return there is not None and there.size == output.size
