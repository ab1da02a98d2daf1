"""What this machine has for steps: processors and memory that a container's limits leave, and GPUs."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_NVIDIA = Path("/proc/driver/nvidia/gpus")
_UNLIMITED = 1 << 60  # cgroup v1 says a number near 2**63 for no limit
_PATIENCE = 10.0  # seconds that nvidia-smi may take: it wakes the card up


def this_machine() -> dict[str, float]:
    """Return the processors that this process may use, and the memory that it may have in bytes."""
    return {"CPU": float(usable_cpus()), "memory": float(usable_memory())}


def usable_cpus() -> int:
    """Return how many processors this process may keep busy: its affinity, and the quota of its control groups."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [quota for folder in _groups("cpu") if (quota := _quota(folder)) is not None]
    return max(1, min(cpus, *(math.ceil(quota) for quota in quotas))) if quotas else cpus


def usable_memory() -> int:
    """Return the bytes of memory of the machine, or of the control group when that is less; 0 when nobody knows."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    for folder in _groups("memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            limit = _number(folder / name)
            if limit is not None and limit < _UNLIMITED:
                memory = min(memory or limit, limit)
    return memory


def visible_gpus() -> list[str]:
    """Return the GPUs that a program started here would see, by the names that CUDA_VISIBLE_DEVICES takes."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        parts = (part.strip() for part in named.split(","))
        return list(
            takewhile(lambda name: name not in ("", "-1", "NoDevFiles"), parts)
        )  # CUDA stops there, too
    if _NVIDIA.is_dir():
        return [str(number) for number in range(len(list(_NVIDIA.iterdir())))]
    return [str(number) for number in range(_listed_gpus())]


def _listed_gpus() -> int:
    import shutil
    import subprocess  # 3 ms, for runs that never ask

    program = shutil.which("nvidia-smi")
    if program is None:
        return 0
    try:
        told = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=_PATIENCE, check=True)
    except (OSError, subprocess.SubprocessError):
        return 0
    return sum(line.startswith("GPU ") for line in told.stdout.splitlines())


def _groups(controller: str) -> Iterator[Path]:
    """Yield the folders of the control groups that bind this process, its own first; none where there are none."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, place = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        root = _CGROUPS / controller if controllers else _CGROUPS
        folder = root / place.lstrip("/")
        yield from (folder, *(parent for parent in folder.parents if parent.is_relative_to(root)))


def _quota(folder: Path) -> float | None:
    try:
        quota, _, period = (folder / "cpu.max").read_text().partition(" ")
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        pass
    spent, each = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
    return spent / each if spent and each and spent > 0 else None


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
