"""Whether what steps gave is still in the artifact store; where asking is a journey, all of it is asked for at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from ..artifacts.store import ArtifactStore
from ..runs.records import OutputRecord, artifact_of

T = TypeVar("T")
V = TypeVar("V")


def first_gone(store: ArtifactStore, outputs: Iterable[OutputRecord]) -> OutputRecord | None:
    """Return the first output whose content is not there, or None."""
    found = list(outputs)
    there = at_once(store, lambda one: store.exists(artifact_of(one)), found)
    return next((one for one, is_there in zip(found, there, strict=True) if not is_there), None)


def at_once(store: ArtifactStore, work: Callable[[V], T], items: Iterable[V]) -> Iterator[T]:
    """Ask a store for something of every item: one after the other, unless it can be asked from several threads."""
    ask: Callable[[Callable[[V], T], Iterable[V]], Iterator[T]] = getattr(store, "at_once", map)
    return ask(work, items)
