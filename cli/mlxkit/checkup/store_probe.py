"""Whether an artifact store answers, keeps what is written and gives it back; and how long each takes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar, cast

from ..artifacts.errors import ArtifactStoreError
from ..artifacts.store import ArtifactStore, EntryStore
from ..config.paths import Project, ensure_state_dir, find_project
from ..dataclass import dataclass
from ..errors import MlxError
from ..records import Record
from ..secrets.service import SecretService
from ..stacks.components import ComponentService
from ..stacks.flavors import get_flavor, load
from ..stacks.service import StackService

_KIND = "artifact_store"
T = TypeVar("T")


@dataclass(frozen=True)
class StoreProbe(Record):
    """What was found out about a store; times in milliseconds, `deleted` None where deleting is not allowed."""

    name: str
    flavor: str
    location: str
    is_shared: bool
    answered: float
    written: float
    read: float
    deleted: float | None


def open_store(
    name: str | None = None, project: Project | None = None, stack: str | None = None
) -> tuple[str, ArtifactStore]:
    """Make an artifact store, by its name or a stack's, and return it after its flavor; it is not asked for anything."""
    project = project or find_project()
    if name is None:
        chosen, _ = StackService(project).active(stack)
        name = chosen.components[_KIND]
    component = ComponentService(project).resolved(_KIND, name, SecretService(project))
    store = load(get_flavor(_KIND, component.flavor))(component, ensure_state_dir(project))
    return component.flavor, cast("ArtifactStore", store)


def probe(name: str | None = None, project: Project | None = None) -> StoreProbe:
    """Write a small document into a store, read it back and remove it; raises what keeps the store from working."""
    flavor, found = open_store(name, project)
    if not hasattr(found, "put_entry"):
        raise MlxError(f"artifact store {found.location} is of a flavor that cannot be tested")
    store = cast("EntryStore", found)
    entry, content = f"probes/{os.urandom(8).hex()}", os.urandom(64)
    _, answered = _timed(lambda: store.get_entry(entry))  # the first request makes the connection, too
    _, written = _timed(lambda: store.put_entry(entry, content))
    given, read = _timed(lambda: store.get_entry(entry))
    if given != content:
        raise ArtifactStoreError(
            f"artifact store {store.location} does not give back what is written", hint="mlx doctor --online"
        )
    deleted: float | None
    try:
        _, deleted = _timed(lambda: store.delete_entry(entry))
    except MlxError:  # a store that only grows serves runs well; pruning will say what it may not do
        deleted = None
    return StoreProbe(store.name, flavor, store.location, store.is_shared, answered, written, read, deleted)


def _timed(ask: Callable[[], T]) -> tuple[T, float]:
    start = time.perf_counter()
    given = ask()
    return given, round((time.perf_counter() - start) * 1000, 1)
