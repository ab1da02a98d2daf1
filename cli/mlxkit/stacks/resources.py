"""What a step asks for, and what a machine has: processors, GPUs, memory, and what a cluster counts beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field

from ..dataclass import dataclass
from ..errors import UsageError
from ..records import Record


@dataclass(frozen=True)
class Resources(Record):
    """What a step asks for: `cpus` and `gpus` by number, `memory` in bytes, and what else a cluster counts."""

    cpus: float = 1.0
    gpus: float = 0.0
    memory: int | None = None
    custom: Mapping[str, float] = field(default_factory=dict)

    def wants(self) -> dict[str, float]:
        """Return what is asked for, by the names that capacities use: CPU, GPU, memory (bytes), and the custom ones."""
        asked = {"CPU": self.cpus, "GPU": self.gpus, "memory": float(self.memory or 0), **self.custom}
        return {name: amount for name, amount in asked.items() if amount}


def refuse_impossible(resources: Resources, nodes: Sequence[Mapping[str, float]], label: str) -> None:
    """Raise UsageError when no node could ever hold what is asked for, naming what there is."""
    wanted = resources.wants()
    if not nodes or any(
        all(node.get(name, 0.0) >= amount for name, amount in wanted.items()) for node in nodes
    ):
        return
    most = {name: max(node.get(name, 0.0) for node in nodes) for name in wanted}
    lacking = [name for name, amount in wanted.items() if most[name] < amount] or list(wanted)
    asked = ", ".join(f"{name}={shown(name, wanted[name])}" for name in lacking)
    has = ", ".join(f"{name}={shown(name, most[name])}" for name in lacking)
    where = "there is at most" if len(nodes) == 1 else f"the largest of {len(nodes)} nodes has"
    raise UsageError(f"{label} needs {asked}; {where} {has}", hint="@step(resources=ResourceSettings(...))")


def shown(name: str, amount: float) -> str:
    """Return an amount as people write it."""
    if name == "memory":
        return f"{amount / 2**30:.3g}GiB"
    return f"{amount:g}"
