"""How much of the machine is given away: processors, memory, and which GPU to whom."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ....dataclass import dataclass
from ....stacks.executors import Resources

_DUST = 1e-9  # thirds of a processor add up to a little more than one


@dataclass(frozen=True)
class Share:
    """What a piece of work holds while it runs; `devices` are positions of GPUs, `part` of each of them."""

    cpus: float
    memory: int
    devices: tuple[int, ...] = ()
    part: float = 0.0


class Budget:
    """What is free. A whole GPU is one piece of work's; below one, work shares a GPU. Above, parts are rounded up."""

    def __init__(self, cpus: float, memory: float, gpus: int) -> None:
        self._cpus = cpus
        self._memory = memory
        self._gpus = [1.0] * gpus

    def take(self, wanted: Resources, ready: Sequence[tuple[int, ...]] = ()) -> Share | None:
        """Take what is asked for, or nothing when it is not free; GPUs that a worker stands `ready` with come first."""
        memory = wanted.memory or 0
        if wanted.cpus > self._cpus + _DUST or memory > self._memory:
            return None
        devices: tuple[int, ...] = ()
        part = min(wanted.gpus, 1.0)
        if wanted.gpus:
            found = self._devices(math.ceil(wanted.gpus - _DUST), part, ready)
            if found is None:
                return None
            devices = found
        self._cpus -= wanted.cpus
        self._memory -= memory
        for device in devices:
            self._gpus[device] -= part
        return Share(wanted.cpus, memory, devices, part)

    def give_back(self, share: Share) -> None:
        """Take note that a share is free again."""
        self._cpus += share.cpus
        self._memory += share.memory
        for device in share.devices:
            self._gpus[device] = min(1.0, self._gpus[device] + share.part)

    def _devices(self, count: int, part: float, ready: Sequence[tuple[int, ...]]) -> tuple[int, ...] | None:
        fitting = [device for device, free in enumerate(self._gpus) if free >= part - _DUST]
        if len(fitting) < count:
            return None
        for devices in ready:
            if len(devices) == count and set(devices) <= set(fitting):
                return devices
        fitting.sort(key=lambda device: (self._gpus[device], device))  # the fullest that it fits on
        return tuple(sorted(fitting[:count]))
