"""An experiment tracker outside of a run: by name, or the active stack's."""

from __future__ import annotations

from ..config.paths import Project, ensure_state_dir, find_project
from ..errors import NotFoundError
from ..secrets.service import SecretService
from .components import ComponentService
from .flavors import get_flavor, load
from .protocols import ExperimentTracker
from .resolve import ResolvedComponent
from .service import StackService

_KIND = "experiment_tracker"


def resolved_tracker(name: str | None, project: Project) -> ResolvedComponent:
    """Return a tracker with its references replaced; those of the rest of the stack are left alone."""
    if name is None:
        stack, _ = StackService(project).active()
        name = stack.components.get(_KIND)
        if name is None:
            raise NotFoundError(
                f"stack {stack.name!r} has no experiment tracker",
                hint=f"mlx stack update {stack.name} -e NAME",
            )
    return ComponentService(project).resolved(_KIND, name, SecretService(project))


def open_tracker(name: str | None = None, project: Project | None = None) -> ExperimentTracker:
    """Make a tracker; it is not asked for anything yet."""
    project = project or find_project()
    component = resolved_tracker(name, project)
    made: ExperimentTracker = load(get_flavor(_KIND, component.flavor))(component, ensure_state_dir(project))
    return made
