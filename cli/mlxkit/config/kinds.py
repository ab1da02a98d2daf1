"""The kinds of component: one row each."""

from __future__ import annotations

from ..dataclass import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind of component: its key in Python and YAML, its section, its command, its words, its flags on a stack."""

    name: str
    section: str
    command: str
    title: str
    stack_flag: tuple[str, ...]


def _row(name: str, section: str, command: str, letter: str) -> Kind:
    spellings = dict.fromkeys((f"--{name.replace('_', '-')}", f"--{name}"))
    return Kind(name, section, command, name.replace("_", " "), (f"-{letter}", *spellings))


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        _row("experiment_tracker", "experiment_trackers", "tracker", "e"),
        _row("artifact_store", "artifact_stores", "artifact-store", "a"),
        _row("orchestrator", "orchestrators", "orchestrator", "o"),
        _row("model_registry", "model_registries", "registry", "r"),
        _row("model_deployer", "model_deployers", "deployer", "d"),
    )
}
