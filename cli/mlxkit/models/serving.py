"""Which deployments of this machine serve a model version."""

from __future__ import annotations

from collections.abc import Collection

from ..config.paths import Project
from ..deployments.addresses import url_of
from ..deployments.settling import looked_at
from ..stacks.registries import ModelVersion
from .lineage import Server


def servers_of(project: Project, version: ModelVersion) -> list[Server]:
    """Return the deployments of a version, each as the system has it now and not as a file says."""
    return [
        Server(entry.name, now.state, url_of(now.host, now.port) if now.state == "running" else "")
        for entry, now in looked_at(project)
        if (entry.model, entry.version) == (version.name, version.version)
    ]


def deployments_of(project: Project, versions: Collection[ModelVersion]) -> tuple[str, ...]:
    """Return the names of the deployments that serve one of these versions, or will when they are started."""
    wanted = {(item.name, item.version) for item in versions}
    return tuple(
        sorted(entry.name for entry, _ in looked_at(project) if (entry.model, entry.version) in wanted)
    )
