"""How a deployment goes over to another version: beside the old one, and back when the new one is not fit."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace

from ..errors import MlxError
from ..models.references import resolve
from ..secrets.value import SecretValue
from ..stacks.deployers import ModelDeployer, ServeSpec
from ..stacks.registries import ModelRegistry
from . import making
from .entries import DeploymentEntry
from .store import DeploymentStore
from .token import resolve_token

_SERVED = ("running", "updating")


def updated(
    store: DeploymentStore,
    registry: ModelRegistry,
    deployer: ModelDeployer,
    entry: DeploymentEntry,
    wanted: DeploymentEntry,
    *,
    waiting: Callable[[str], None],
    ignore: bool,
) -> tuple[DeploymentEntry, list[str]]:
    """Bring a deployment to what is wanted of it, whose lock the caller holds; return it and what to tell."""
    version = resolve(registry, wanted.reference)
    wanted = replace(wanted, model=version.name, version=version.version, updated=making.now())
    is_same = (wanted.model, wanted.version) == (entry.model, entry.version)
    if replace(wanted, updated=entry.updated) == entry:
        return entry, [f"nothing new: {entry.reference} is version {entry.version}, which is served"]
    if is_same and (wanted.workers, wanted.max_body) == (entry.workers, entry.max_body):
        store.write(wanted)
        return wanted, [
            f"it serves version {entry.version} already, and follows {wanted.reference} from now on"
        ]
    serving = deployer.serving(entry.folder)
    secret = resolve_token(entry.token) if serving.state in _SERVED else None
    notes: list[str] = []
    if not is_same:
        waiting(f"fetching {version.reference}")
        wanted = replace(wanted, files=making.fetch(registry, version, entry.folder))
    with _old_kept(entry, wanted):
        if not is_same:
            notes += making.examined(deployer, wanted.model_dir, ignore=ignore)
        if serving.state in _SERVED:
            waiting(f"starting {version.reference} beside what is served")
            _swap(store, deployer, entry, wanted, secret, waiting)
        else:
            store.write(wanted)
            notes.append(
                f"it is not running ({serving.state}): mlx deployment start {entry.name} serves {version.reference}"
            )
    store.keep_only(wanted)
    return wanted, notes


def _swap(
    store: DeploymentStore,
    deployer: ModelDeployer,
    entry: DeploymentEntry,
    wanted: DeploymentEntry,
    secret: SecretValue | None,
    waiting: Callable[[str], None],
) -> None:
    port = deployer.serving(entry.folder).port or entry.served_port
    try:
        deployer.replace(making.spec_of(wanted, secret, port=port))
    except MlxError:  # it was refused, and the old one goes on
        raise
    except BaseException:
        _go_back(deployer, making.spec_of(entry, secret, port=port), waiting)
        raise
    try:
        store.write(wanted)
    except BaseException:
        _go_back(deployer, making.spec_of(entry, secret, port=port), waiting)
        raise


def _go_back(deployer: ModelDeployer, old: ServeSpec, waiting: Callable[[str], None]) -> None:
    """Have the old version served again: nobody knows how far the swap has come, or has stopped it."""
    with making.uninterrupted(), contextlib.suppress(MlxError):
        waiting(f"going back to {old.model}")
        deployer.replace(old)


@contextlib.contextmanager
def _old_kept(entry: DeploymentEntry, wanted: DeploymentEntry) -> Iterator[None]:
    """Remove the new files when the deployment stays with the old ones."""
    try:
        yield
    except BaseException:
        if wanted.files != entry.files:
            with making.uninterrupted():
                shutil.rmtree(wanted.model_dir, ignore_errors=True)
        raise
