"""What a detached run needs of a stack's components: a cluster that takes jobs, and stores that it reaches."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from ...config.kinds import KINDS
from ...config.model import ComponentEntry
from ...errors import ConfigError, MlxError
from ...runs.detached.place import Place
from ...stacks.addresses import is_loopback
from ...stacks.attributes import has_marks
from ...stacks.components import ComponentService
from ...stacks.flavors import get_flavor, load
from ...stacks.jobs import Jobs
from ..session import Session

_SERVED = ("http", "https")


def jobs_of_stack(session: Session, entry: ComponentEntry) -> Jobs:
    """Return the jobs of a stack's orchestrator; raises ConfigError for one that takes none."""
    made_one = made(session, entry)
    if not hasattr(made_one, "jobs"):
        raise ConfigError(
            f"orchestrator {entry.name!r} ({entry.flavor}) runs steps on this machine only, so a run cannot be detached",
            hint="mlx orchestrator register cluster --flavor=ray --address=HOST:6379",
        )
    jobs: Jobs = made_one.jobs()
    return jobs


def jobs_of_place(session: Session, place: Place) -> Jobs:
    """Return the jobs where a run goes on, with the credentials that its orchestrator has now."""
    service = ComponentService(session.project)
    try:
        component = service.resolved("orchestrator", place.orchestrator, session.secrets)
    except MlxError as error:
        raise MlxError(
            f"job {place.job} at {place.address} cannot be asked about: {error.message}", hint=error.hint
        ) from error
    jobs: Jobs = load(get_flavor(component.kind, component.flavor))(component, session.state_dir).jobs(
        place.address
    )
    return jobs


def made(session: Session, entry: ComponentEntry) -> Any:
    """Make one component of a stack alone: the others may need secrets that only the cluster has."""
    component = ComponentService(session.project).resolved(entry.kind, entry.name, session.secrets)
    return load(get_flavor(component.kind, component.flavor))(component, session.project.state_dir)


def refuse_unreachable(
    address: str, store: ComponentEntry, is_shared: bool, tracker: ComponentEntry | None
) -> None:
    """Raise ConfigError for a store or a tracker that stays on this machine, when the cluster is another one."""
    if not is_shared:
        raise ConfigError(
            f"artifact store {store.name!r} ({store.flavor}) is in the state folder of this machine, and the cluster at "
            f"{address} is another one: its steps could not be read here",
            hint="mlx artifact-store register NAME --flavor=s3 --path=s3://..., and a stack with it",
        )
    if tracker is None:
        return
    uri = tracker.attributes.get("tracking_uri")
    if isinstance(uri, str) and has_marks(uri):
        return  # only whoever resolves it knows
    where = _stays_here(uri if isinstance(uri, str) else "")
    if where:
        raise ConfigError(
            f"{KINDS[tracker.kind].title} {tracker.name!r} {where}, and the cluster at {address} is another machine",
            hint=f"mlx tracker update {tracker.name} --tracking_uri=https://..., or a stack with another tracker",
        )


def _stays_here(uri: str) -> str:
    """Say why a tracking address is of this machine only; nothing when it is not."""
    if not uri:
        return "has no tracking_uri, so its runs stay on this machine"
    parts = urlsplit(uri)
    if parts.scheme in _SERVED:
        return f"is at {parts.hostname} of this machine" if is_loopback(parts.hostname or "") else ""
    return "" if uri.startswith("databricks") else "keeps its runs on a disk of this machine"
