"""The artifact stores that runs of a project were kept in, by the stack that they ran on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..artifacts.store import ArtifactStore
from ..config.document import read_config
from ..config.paths import Project
from ..errors import MlxError
from ..stacks.flavors import get_flavor, load
from ..stacks.membership import stack_components

KIND = "artifact_store"


def stores_of(project: Project, *, with_shared: bool = False) -> Callable[[str], ArtifactStore | None]:
    """Return what gives the store of a stack, or None where nothing in it may be removed.

    That is a store of a stack that is no more, and one outside of the project's state folder, which other projects
    may keep their content in, unless `with_shared`.
    """
    made: dict[str, ArtifactStore | None] = {}

    def store_of(stack: str) -> ArtifactStore | None:
        if stack not in made:
            try:
                made[stack] = _store(project, stack)
            except MlxError:
                made[stack] = None
        store = made[stack]
        return store if store is not None and (with_shared or is_own(project, store)) else None

    return store_of


def store_of_stack(project: Project, stack: str | None) -> ArtifactStore:
    """Return the artifact store of a stack, or of the active one; raises what keeps it from being used."""
    from ..stacks.service import StackService

    return _store(project, StackService(project).active(stack)[0].name)


def is_own(project: Project, store: ArtifactStore) -> bool:
    """Say whether a store lies in the project's state folder, where no other project keeps anything."""
    if getattr(store, "is_remote", False):  # what it calls its location is no path
        return False
    return Path(store.location).resolve().is_relative_to(project.state_dir.resolve())


def _store(project: Project, stack: str) -> ArtifactStore:
    """Make the store alone: a stack's other components may need secrets that nobody has now."""
    from ..secrets.service import SecretService
    from ..stacks.components import ComponentService

    name = stack_components(read_config(project), stack)[KIND]
    component = ComponentService(project).resolved(KIND, name, SecretService(project))
    store: ArtifactStore = load(get_flavor(KIND, component.flavor))(component, project.state_dir)
    return store
