"""Timing of whole processes: wall and CPU seconds and peak memory, in pairs."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Sample:
    """One process: seconds on the wall, CPU seconds of it and its reaped children, peak MB of the largest."""

    wall: float
    cpu: float
    peak: float


@dataclass(frozen=True)
class Row:
    """One line of the table; `ratio` is ours over the yardstick."""

    what: str
    ours: str
    yardstick: str
    ratio: float
    budget: str


def once(argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> Sample:
    """Run a command once, output thrown away; raises with its stderr when it fails."""
    started = time.perf_counter()
    with tempfile_of(cwd) as errors:
        process = subprocess.Popen(
            argv, cwd=cwd, env=dict(env), stdout=subprocess.DEVNULL, stderr=errors, stdin=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - started
        if process.returncode != 0:
            errors.seek(0)
            raise RuntimeError(
                f"{' '.join(argv)} exited with {process.returncode}:\n{errors.read().decode(errors='replace')[-3000:]}"
            )
    return Sample(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def tempfile_of(folder: Path):  # type: ignore[no-untyped-def]
    import tempfile

    return tempfile.TemporaryFile(dir=folder)


def paired(
    ours: Sequence[str], yardstick: Sequence[str], cwd: Path, env: Mapping[str, str], *, runs: int = 7
) -> tuple[Sample, Sample]:
    """Run two commands in turn after one warm-up each; return the median of each."""
    once(ours, cwd, env)
    once(yardstick, cwd, env)
    a, b = [], []
    for _ in range(runs):
        a.append(once(ours, cwd, env))
        b.append(once(yardstick, cwd, env))
    return median(a), median(b)


def median(samples: Sequence[Sample]) -> Sample:
    """Return the median of each figure."""
    return Sample(
        statistics.median(item.wall for item in samples),
        statistics.median(item.cpu for item in samples),
        statistics.median(item.peak for item in samples),
    )


def clean_environment(home: Path) -> dict[str, str]:
    """Return an environment as a new user has it, with its own HOME."""
    dropped = ("MLX_", "MLFLOW_", "XDG_", "DBUS_SESSION", "PYTHON")
    env = {key: value for key, value in os.environ.items() if not key.startswith(dropped)}
    return {**env, "HOME": str(home), "MLFLOW_DISABLE_TELEMETRY": "true"}


def table(rows: Sequence[Row]) -> str:
    """Render the rows as a Markdown table with the machine in the first line."""
    lines = [
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, peak memory of this program {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB",
        "",
        "| what | mlx | yardstick | ratio | budget |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.what} | {row.ours} | {row.yardstick} | {row.ratio:.2f} x | {row.budget} |" for row in rows
    ]
    return "\n".join(lines) + "\n"
