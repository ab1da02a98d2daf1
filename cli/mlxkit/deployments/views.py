"""Deployments as they are shown: what was asked beside what the deployer sees."""

from __future__ import annotations

from ..runs.records import iso
from ..stacks.deployers import ModelDeployer, Serving
from .addresses import url_of
from .entries import DeploymentEntry
from .following import Standing
from .records import DeploymentRecord
from .settling import as_served, difference
from .store import BrokenDeployment


def shown(
    entry: DeploymentEntry, serving: Serving, deployer: ModelDeployer, standing: Standing | None = None
) -> DeploymentRecord:
    """Return the record of one deployment: what is served, and in `reason` where what is written differs."""
    standing = standing or Standing()
    reason = "; ".join(text for text in (serving.reason, difference(entry, serving)) if text)
    entry = as_served(entry, serving)
    host, port = serving.host or entry.host, serving.port or entry.served_port or None
    url = url_of(host, port)
    return DeploymentRecord(
        name=entry.name, model=entry.model, version=entry.version, reference=entry.reference,
        alias_now=standing.version, follows=standing.follows, state=serving.state, url=url,
        prediction_url=f"{url}/invocations" if url else "", host=host, port=port, pid=serving.pid,
        workers=entry.workers, max_body=entry.max_body, started=iso(serving.since) or "", reason=reason,
        token=entry.token, stack=entry.stack, pipeline=entry.pipeline, run=entry.run, step=entry.step,
        created=entry.created, log=str(deployer.log(entry.folder)),
    )  # fmt: skip


def broken(found: BrokenDeployment, serving: Serving, deployer: ModelDeployer) -> DeploymentRecord:
    """Return the record of a deployment whose file cannot be read; its server may still run."""
    url = url_of(serving.host, serving.port)
    return DeploymentRecord(
        name=found.name, model="", version=None, reference="", state="failed", url=url,
        prediction_url=f"{url}/invocations" if url else "", host=serving.host, port=serving.port, pid=serving.pid,
        started=iso(serving.since) or "", log=str(deployer.log(found.folder)),
        reason=f"{found.problem}; mlx deployment delete {found.name} removes it",
    )  # fmt: skip
