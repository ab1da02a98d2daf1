"""Whether the reference that a deployment was made from stands for another version by now."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence

from ..config.paths import Project
from ..dataclass import dataclass
from ..errors import MlxError, NotFoundError
from ..models.references import parse, resolve
from ..stacks.registries import open_registry
from .entries import DeploymentEntry

_PATIENCE = 2.0  # seconds for all registries together


@dataclass(frozen=True)
class Standing:
    """What a reference that can move stands for: `current`, `moved` (to `version`), `gone` or `unknown`."""

    follows: str = ""
    version: int | None = None


def standings(project: Project, entries: Sequence[DeploymentEntry]) -> Mapping[str, Standing]:
    """Return the standing of each deployment; registries are asked only about references that can move."""
    moving = [entry for entry in entries if can_move(entry.reference)]
    found = {entry.name: Standing("unknown") for entry in moving}
    if moving:
        # A thread that is left behind when the registry, or the keyring before it, does not answer.
        asking = threading.Thread(target=_ask, args=(project, moving, found), daemon=True)
        asking.start()
        asking.join(_PATIENCE)
    return dict(found)


def can_move(reference: str) -> bool:
    """Say whether a reference may stand for another version tomorrow."""
    try:
        return parse(reference).number is None
    except MlxError:
        return False


def names_served(reference: str, entry: DeploymentEntry) -> bool:
    """Say whether a reference can only mean the version that a deployment serves, so that no registry is asked."""
    found = parse(reference)
    return (found.name, found.number) == (entry.model, entry.version)


def _ask(project: Project, entries: Sequence[DeploymentEntry], found: dict[str, Standing]) -> None:
    deadline = time.monotonic() + _PATIENCE
    for entry in entries:
        if time.monotonic() > deadline:
            return
        try:
            now = resolve(
                open_registry(project, entry.stack or None, tracker=entry.tracker or None), entry.reference
            ).version
        except NotFoundError:
            found[entry.name] = Standing("gone")
        except Exception:  # noqa: S112 - a listing says `unknown`, whatever the reason is
            continue
        else:
            found[entry.name] = Standing("current") if now == entry.version else Standing("moved", now)
