"""The artifact store that an artifact lies in, whatever stack is active now."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..artifacts.records import ArtifactRecord
from ..artifacts.store import ArtifactStore
from ..config.document import read_config
from ..errors import MlxError
from ..runs.queries import RunQueries
from ..stacks.membership import stack_names
from .session import Session
from .stores import stores_of

Holder = Callable[[str, ArtifactRecord | None], ArtifactStore]


def holder_of(session: Session, queries: RunQueries) -> Holder:
    """Return what finds the store of an artifact that a run made or used, by the run's id (None: of any of them).

    That is the store of the stack that the run ran on. Where it has not got the artifact (a stack can be renamed, or
    get another store), it is whichever store of a stack of the project has. None of them: the first, which says so.
    """
    store_of = stores_of(session.project, with_shared=True)

    def find(run_id: str, artifact: ArtifactRecord | None) -> ArtifactStore:
        first: ArtifactStore | None = None
        for stack in _stacks(session, queries.get(run_id).stack):
            store = store_of(stack)
            if store is None:
                continue
            if artifact is None or artifact.inline is not None or _has(store, artifact):
                return store
            first = first or store
        return first or session.store

    return find


def _stacks(session: Session, ran_on: str) -> Iterable[str]:
    yield ran_on
    if session.stack_name:
        yield session.stack_name
    yield from stack_names(read_config(session.project))


def _has(store: ArtifactStore, artifact: ArtifactRecord) -> bool:
    try:
        return store.exists(artifact)
    except MlxError:  # a store that does not answer
        return False
