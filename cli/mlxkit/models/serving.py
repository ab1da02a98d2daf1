"""Which deployments of this machine serve a model version."""

from __future__ import annotations

from ..config.paths import Project
from ..deployments.store import DeploymentStore
from ..stacks.deployers import open_deployer
from ..stacks.registries import ModelVersion
from .lineage import Server


def servers_of(project: Project, version: ModelVersion) -> list[Server]:
    """Return the deployments of a version, each as the system has it now and not as a file says."""
    entries = [
        entry
        for entry in DeploymentStore(project.state_dir).list()
        if (entry.model, entry.version) == (version.name, version.version)
    ]
    found = []
    for entry in entries:
        now = open_deployer(project, entry.stack or None).serving(entry.folder)
        url = f"http://{now.host}:{now.port}" if now.state == "running" else ""
        found.append(Server(entry.name, now.state, url))
    return found
