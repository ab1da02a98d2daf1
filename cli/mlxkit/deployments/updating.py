"""How a deployment goes over to another version: beside the old one, and back when the new one is not fit."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace

from ..dataclass import dataclass
from ..errors import MlxError
from ..models.references import resolve
from ..secrets.value import SecretValue
from ..stacks.deployers import ANSWERS, ModelDeployer, RefusedError, ServeSpec
from ..stacks.registries import ModelRegistry
from . import making
from .entries import DeploymentEntry
from .store import DeploymentStore
from .token import resolve_token


@dataclass
class _Fate:
    """Whether a server may load the new files, now or later: as long as it may, they stay."""

    may_be_loaded: bool = False


def updated(
    store: DeploymentStore,
    registry: ModelRegistry | None,
    deployer: ModelDeployer,
    entry: DeploymentEntry,
    wanted: DeploymentEntry,
    *,
    waiting: Callable[[str], None],
    ignore: bool,
) -> tuple[DeploymentEntry, list[str]]:
    """Bring a deployment to what is wanted of it, whose lock the caller holds; return it and what to tell.

    `entry` is what is really served. Without a registry the version stays, whatever its reference stands for.
    """
    version = resolve(registry, wanted.reference) if registry is not None else None
    if version is not None:
        wanted = replace(wanted, model=version.name, version=version.version)
    wanted = replace(wanted, updated=making.now())
    is_same = (wanted.model, wanted.version) == (entry.model, entry.version)
    serving = deployer.serving(entry.folder)
    is_settled = serving.state != "updating"  # else a command was cut off, and another version may yet come
    if is_same and is_settled and (wanted.workers, wanted.max_body) == (entry.workers, entry.max_body):
        return _written(store, entry, wanted)
    is_up = serving.state in (*ANSWERS, "starting")
    secret = resolve_token(entry.token) if is_up else None
    notes: list[str] = []
    if registry is not None and version is not None and not is_same:
        waiting(f"fetching {version.reference}")
        wanted = replace(wanted, files=making.fetch(registry, version, entry.folder))
    with _old_kept(entry, wanted) as fate:
        if not is_same:
            notes += making.examined(deployer, wanted.model_dir, ignore=ignore)
        if is_up:
            waiting(f"starting {making.model_of(wanted)} beside what is served")
            _swap(store, deployer, entry, wanted, secret, waiting, fate)
        else:
            store.write(wanted)
            command = f"mlx deployment start {entry.name}"
            notes.append(f"it is not running ({serving.state}): {command} serves {making.model_of(wanted)}")
    store.keep_only(wanted)
    return wanted, notes


def _written(
    store: DeploymentStore, entry: DeploymentEntry, wanted: DeploymentEntry
) -> tuple[DeploymentEntry, list[str]]:
    """Write down what a server need not be asked for."""
    notes = []
    if wanted.reference != entry.reference:
        notes.append(f"it serves version {entry.version} already, and follows {wanted.reference} from now on")
    if wanted.ready_within != entry.ready_within:
        notes.append(f"it has {wanted.ready_within:g} s to get ready from now on")
    if not notes:
        return entry, [f"nothing new: {entry.reference} is version {entry.version}, which is served"]
    store.write(wanted)
    return wanted, notes


def _swap(
    store: DeploymentStore,
    deployer: ModelDeployer,
    entry: DeploymentEntry,
    wanted: DeploymentEntry,
    secret: SecretValue | None,
    waiting: Callable[[str], None],
    fate: _Fate,
) -> None:
    port = deployer.serving(entry.folder).port or entry.served_port
    fate.may_be_loaded = True
    command = f"mlx deployment update {entry.name} --model {wanted.reference}"
    try:
        with making.in_time(wanted.ready_within, command):
            deployer.replace(making.spec_of(wanted, secret, port=port))
    except RefusedError:
        fate.may_be_loaded = False
        raise
    except MlxError:  # it has not answered, and may do so yet
        fate.may_be_loaded = deployer.serving(entry.folder).pid is not None
        raise
    except BaseException:
        fate.may_be_loaded = not _gone_back(deployer, making.spec_of(entry, secret, port=port), waiting)
        raise
    try:
        store.write(wanted)
    except BaseException:
        fate.may_be_loaded = not _gone_back(deployer, making.spec_of(entry, secret, port=port), waiting)
        raise


def _gone_back(deployer: ModelDeployer, old: ServeSpec, waiting: Callable[[str], None]) -> bool:
    """Have the old version served again, and say whether it is: nobody knows how far the swap has come."""
    with making.uninterrupted():
        now = deployer.serving(old.folder)
        was = (str(old.model_dir.absolute()), old.workers, old.max_body)
        if now.state == "running" and (now.model_dir, now.workers, now.max_body) == was:
            return True  # the deployer has withdrawn it
        waiting(f"going back to {old.model}")
        try:
            deployer.replace(old)
        except MlxError:
            return False
    return True


@contextlib.contextmanager
def _old_kept(entry: DeploymentEntry, wanted: DeploymentEntry) -> Iterator[_Fate]:
    """Remove the new files when the deployment stays with the old ones, and nobody may load them any more."""
    fate = _Fate()
    try:
        yield fate
    except BaseException:
        if wanted.files != entry.files and not fate.may_be_loaded:
            with making.uninterrupted():
                shutil.rmtree(wanted.model_dir, ignore_errors=True)
        raise
