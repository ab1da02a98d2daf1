"""Stacks: what is configured, which one is active, and what it resolves to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..config.active import IMPLICIT_STACK, ActiveStack, choose_stack
from ..config.document import IMPLICIT, read_config
from ..config.kinds import KINDS
from ..config.model import ComponentEntry, Config
from ..config.paths import Project, find_project
from ..errors import MlxError, NotFoundError, did_you_mean
from ..records import ComponentRecord, StackRecord
from .checks import check_stack, find_component
from .resolve import ResolvedStack, resolve_components

if TYPE_CHECKING:
    from ..secrets.service import SecretService

# Every stack has one of these; when it names none, this one.
_ALWAYS = {"artifact_store": "default", "orchestrator": "default"}


class StackService:
    """The stacks of one project."""

    def __init__(self, project: Project | None = None) -> None:
        self.project = project or find_project()

    def active(self, override: str | None = None) -> ActiveStack:
        """Return the stack that is used, and where it was chosen."""
        return choose_stack(self.project, read_config(self.project), override)

    def list(self) -> list[StackRecord]:
        """List the stacks, `default` included; an active stack that is gone makes none of them active."""
        config = read_config(self.project)
        try:
            active = choose_stack(self.project, config).name
        except MlxError:
            active = ""
        return [_record(config, name, active) for name in stack_names(config)]

    def resolved(
        self, name: str | None, secrets: SecretService, *, replace: Mapping[str, str] | None = None
    ) -> ResolvedStack:
        """Check a stack and replace its references; `replace` puts other components in, as `--tracker` does.

        Everything that is wrong with it is in one ConfigError, every missing secret in one CredentialsError.
        """
        config = read_config(self.project)
        stack = choose_stack(self.project, config, name).name
        entries = [
            find_component(config, kind, component)
            for kind, component in {**stack_components(config, stack), **(replace or {})}.items()
        ]
        check_stack(config, stack, entries)
        records = [
            ComponentRecord(entry.name, entry.kind, entry.flavor, entry.attributes) for entry in entries
        ]
        return ResolvedStack(stack, {found.kind: found for found in resolve_components(records, secrets)})


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


def entries_of(config: Config, name: str) -> list[ComponentEntry]:
    """The components of a stack as they are configured."""
    return [
        find_component(config, kind, component) for kind, component in stack_components(config, name).items()
    ]


def _record(config: Config, name: str, active: str) -> StackRecord:
    return StackRecord(name, name == active, stack_components(config, name))
