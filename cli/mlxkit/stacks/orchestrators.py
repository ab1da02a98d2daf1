"""An orchestrator outside of a run: by name, or the active stack's."""

from __future__ import annotations

from typing import cast

from ..config.paths import Project, ensure_state_dir, find_project
from ..errors import UsageError
from ..secrets.service import SecretService
from .components import ComponentService
from .flavors import get_flavor, load
from .protocols import Orchestrator, OrchestratorWithCheck
from .service import StackService

_KIND = "orchestrator"


def open_orchestrator(name: str | None = None, project: Project | None = None) -> tuple[str, Orchestrator]:
    """Make an orchestrator and return it after its name; it is not asked for anything yet."""
    project = project or find_project()
    if name is None:
        name = StackService(project).active()[0].components[_KIND]
    component = ComponentService(project).resolved(_KIND, name, SecretService(project))
    made: Orchestrator = load(get_flavor(_KIND, component.flavor))(component, ensure_state_dir(project))
    return component.name, made


def checkable_orchestrator(name: str | None = None, project: Project | None = None) -> OrchestratorWithCheck:
    """Make an orchestrator that can be asked whether it works; raises UsageError for one that is never away."""
    found, made = open_orchestrator(name, project)
    if not hasattr(made, "check"):
        raise UsageError(
            f"orchestrator {found!r} runs steps on this machine: there is nothing that would have to answer",
            hint="mlx orchestrator list",
        )
    return cast("OrchestratorWithCheck", made)
