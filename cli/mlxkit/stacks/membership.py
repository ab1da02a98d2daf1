"""Which component of each kind a stack has."""

from __future__ import annotations

from ..config.active import IMPLICIT_STACK
from ..config.document import IMPLICIT
from ..config.kinds import KINDS
from ..config.model import ComponentEntry, Config
from ..errors import NotFoundError, did_you_mean
from .checks import find_component

# Every stack has one of these; when it names none, this one.
_ALWAYS = {"artifact_store": "default", "orchestrator": "default"}


def stack_names(config: Config) -> list[str]:
    """The names of all stacks; `default` exists without being written down."""
    return list(dict.fromkeys([*config.stacks, IMPLICIT_STACK]))


def stack_components(config: Config, name: str) -> dict[str, str]:
    """The component of each kind in a stack, with what every stack has when it names none."""
    entry = config.stacks.get(name)
    if entry is None and name == IMPLICIT_STACK:
        return {kind: "default" for kind in KINDS if "default" in IMPLICIT[kind]}
    if entry is None:
        names = stack_names(config)
        raise NotFoundError(f"no stack named {name!r}{did_you_mean(name, names)}", hint="mlx stack list")
    chosen = {**_ALWAYS, **entry.components}
    return {kind: chosen[kind] for kind in KINDS if kind in chosen}


def stack_entries(config: Config, name: str) -> list[ComponentEntry]:
    """The components of a stack as they are configured."""
    return [
        find_component(config, kind, component) for kind, component in stack_components(config, name).items()
    ]
