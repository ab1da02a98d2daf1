"""What a deployment really serves, where its record says something else because a command was cut off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..config.paths import Project
from ..errors import MlxError
from ..stacks.deployers import ANSWERS, ModelDeployer, Serving, open_deployer
from .entries import DeploymentEntry
from .following import can_move
from .making import model_of
from .store import DeploymentStore


def as_served(entry: DeploymentEntry, serving: Serving) -> DeploymentEntry:
    """Return the entry with what the server says that it serves; as it is when nothing is served."""
    name, _, version = serving.model.rpartition(":")
    if serving.state not in ANSWERS or serving.pid is None or not name or not version.isdecimal():
        return entry
    is_other = (name, int(version)) != (entry.model, entry.version)
    stays = not is_other or (name == entry.model and can_move(entry.reference))
    return replace(
        entry,
        model=name,
        version=int(version),
        reference=entry.reference if stays else serving.model,
        files=Path(serving.model_dir).name or entry.files,
        workers=serving.workers or entry.workers,
        max_body=serving.max_body or entry.max_body,
    )


def difference(entry: DeploymentEntry, serving: Serving) -> str:
    """Say how the record differs from what is served; nothing while a command may be about to write it."""
    served = as_served(entry, serving)
    if served == entry or serving.state != "running":
        return ""
    if model_of(served) != model_of(entry):
        written = model_of(entry)
    else:
        written = f"other files of it, or {entry.workers} workers and {entry.max_body} bytes"
    return f"an update was cut off: its record says {written}, until it is updated, stopped or started"


def settled(store: DeploymentStore, deployer: ModelDeployer, entry: DeploymentEntry) -> DeploymentEntry:
    """Write down what is really served, before anything is changed; the caller holds the deployment's lock."""
    served = as_served(entry, deployer.serving(entry.folder))
    if served != entry:
        store.write(served)
    return served


def looked_at(project: Project) -> Iterator[tuple[DeploymentEntry, Serving]]:
    """Yield the deployments of a project, as they are served, with what the system says of each."""
    for entry in DeploymentStore(project.state_dir).list():
        try:
            serving = open_deployer(project, entry.stack or None).serving(entry.folder)
        except MlxError:  # a stack that is gone, a file that is broken: what is written is what is known
            serving = Serving("failed")
        yield as_served(entry, serving), serving
