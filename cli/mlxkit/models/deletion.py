"""Deleting versions and models: what goes with them, and what stands against it."""

from __future__ import annotations

from ..config.paths import Project
from ..dataclass import dataclass
from ..errors import InUseError
from ..records import Record
from ..stacks.registries import ModelRegistry, ModelVersion
from .moves import moves_on
from .references import meant, resolve, versions_of
from .stages import stages_of


@dataclass(frozen=True)
class Deletion(Record):
    """What a deletion takes away: one version, or with `version` None the model with all of them."""

    name: str
    version: int | None
    versions: int
    aliases: tuple[str, ...]
    deployments: tuple[str, ...]

    @property
    def reference(self) -> str:
        """What is deleted, as commands take it: no other than the one that was looked at."""
        return self.name if self.version is None else f"{self.name}:{self.version}"

    @property
    def sentence(self) -> str:
        """What is deleted, in words."""
        if self.version is not None:
            return f"version {self.version} of model {self.name!r}"
        count = {0: "no version", 1: "its version"}.get(self.versions, f"its {self.versions} versions")
        return f"model {self.name!r} with {count}"


def plan_deletion(registry: ModelRegistry, project: Project, reference: str, *, force: bool) -> Deletion:
    """Return what deleting takes away; raises InUseError for what is deployed or holds an alias, unless forced."""
    from .serving import deployments_of

    asked = meant(registry, reference)
    if asked.is_bare:
        versions = versions_of(registry, asked.name, limit=100_000)
    else:
        versions = [resolve(registry, reference)]
    found = Deletion(
        asked.name,
        None if asked.is_bare else versions[0].version,
        len(versions),
        tuple(sorted({alias for item in versions for alias in _held(item)})),
        deployments_of(project, versions),
    )
    if force or not (found.aliases or found.deployments):
        return found
    holds = [f"is {', '.join(found.aliases)}"] if found.aliases else []
    serves = [f"is served by deployment {', '.join(found.deployments)}"] if found.deployments else []
    who = found.reference if found.version is not None else f"a version of {found.name!r}"
    raise InUseError(f"{who} {' and '.join(holds + serves)}", hint=_way_out(found))


def _held(version: ModelVersion) -> set[str]:
    stages = stages_of(version)
    return {*(alias for alias in version.aliases if alias.lower() not in stages), *stages}


def keep_moves(registry: ModelRegistry, name: str, version: int) -> None:
    """Write down on the model which moves a version carries, before it is deleted with them."""
    moves = moves_on(registry.version(name, version))
    if moves:
        registry.set_tags(name, dict(moves))


def _way_out(found: Deletion) -> str:
    if found.deployments:
        return f"mlx deployment delete {found.deployments[0]}, or add --force"
    return f"mlx model unset {found.name} --stage {found.aliases[0]}, or add --force"
