"""What a step asks of the machine that it runs on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from ..errors import ConfigError, UsageError, did_you_mean
from ..stacks.resources import Resources

KEY = "resources"  # in settings of a step, of a pipeline and of run.yaml
_UNITS = {"": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "TB": 1000**4, "PB": 1000**5} | {
    "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40, "PIB": 2**50
}  # fmt: skip
_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([KMGTP]i?B|)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class ResourceSettings:
    """What a step asks for: `cpu_count` and `gpu_count` by number, `memory` as text (`4GB`, `512MiB`).

    `custom` are resources that a cluster counts by names of its own. What is not said is one processor and nothing else.
    """

    cpu_count: float | None = None
    gpu_count: float | None = None
    memory: str | None = None
    custom: Mapping[str, float] | None = None

    @staticmethod
    def of(value: Any, owner: str) -> ResourceSettings:
        """Read a mapping, or the class itself; raises ConfigError."""
        if isinstance(value, ResourceSettings):
            settings = value
        elif isinstance(value, Mapping):
            known = [item.name for item in fields(ResourceSettings)]
            for key in value:
                if key not in known:
                    raise ConfigError(
                        f"{owner}: resources: unknown key {key!r}{did_you_mean(str(key), known)}"
                    )
            settings = ResourceSettings(**value)
        else:
            raise ConfigError(
                f"{owner}: resources is a ResourceSettings or a mapping, not {type(value).__name__}",
                hint='@step(resources=ResourceSettings(cpu_count=2, memory="4GB"))',
            )
        settings.amounts(owner)
        return settings

    def amounts(self, owner: str) -> Resources:
        """Return the amounts as numbers; raises ConfigError."""
        for name, amount in {
            "cpu_count": self.cpu_count,
            "gpu_count": self.gpu_count,
            **(self.custom or {}),
        }.items():
            if amount is not None and (
                not isinstance(amount, (int, float)) or not 0 <= amount < float("inf")
            ):
                raise ConfigError(f"{owner}: resources: {name} is a number from 0, not {amount!r}")
        return Resources(
            cpus=1.0 if self.cpu_count is None else float(self.cpu_count),
            gpus=float(self.gpu_count or 0),
            memory=None if self.memory is None else size_in_bytes(self.memory, f"{owner}: resources: memory"),
            custom=dict(self.custom or {}),
        )


def size_in_bytes(text: str | int, what: str) -> int:
    """Return the bytes that `4GB` (powers of 1000) or `4GiB` (powers of 1024) mean; raises ConfigError."""
    found = _SIZE.fullmatch(str(text))
    if found is None:
        raise ConfigError(f"{what}: {str(text)[:40]!r} is not a size; write 512MB or 4GiB")
    return int(float(found[1]) * _UNITS[found[2].upper()])


def resources_of(owner: str, own: ResourceSettings | None, *levels: Mapping[str, Any]) -> Resources:
    """Return what a step asks for: by its own word, else by the last of the levels of settings that says anything."""
    for level in reversed(levels):
        if KEY in level:
            own = ResourceSettings.of(level[KEY], owner)
            break
    return own.amounts(owner) if own is not None else Resources()


def workers_of(text: str | None) -> str | None:
    """Return what `--workers` says: a number from 1, or `auto`; raises UsageError."""
    if text is None or text == "auto" or (text.isdecimal() and int(text) > 0):
        return text
    raise UsageError(f"--workers {text}: not a number from 1, nor auto", hint="--workers auto: one a core")
