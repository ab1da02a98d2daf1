"""What a step costs on each engine, over the engine's own bare call, and what many of them cost the driver in memory."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from .measure import Row, Sample, clean_environment, median, once
from .programs import ARRAY, ARRAY_FLOOR, BARE, BURN, BURN_FLOOR, SHAPES

MLX = str(Path(sys.executable).with_name("mlx"))
_LONG, _SHORT, _ROUNDS = 1000, 10, 3
_PATIENCE = 300  # seconds


@dataclass(frozen=True)
class Engine:
    """An engine by name: how `mlx run` is told of it, and the yardstick's name for it, with its cluster's address."""

    name: str
    options: Sequence[str] = ()
    bare: str = "call"
    address: str = ""


def engines(folder: Path) -> list[Row]:
    """One more step in a chain and in a fan-out, 8 CPU-bound steps, and a 400 MB array, on each engine there is."""
    env = clean_environment(folder)
    with _engines(folder) as found:
        rows = [row for engine in found for row in _marginal(folder, engine, env)]
        return [*rows, *_burn(folder, env), *[row for engine in found for row in _array(folder, engine, env)]]


def memory(folder: Path) -> list[Row]:
    """Peak memory of the driver with 10,000 steps in one run, against 10 of them: here, and with two workers."""
    env = clean_environment(folder)
    once([MLX, "init"], folder, env)
    (folder / "p.py").write_text(SHAPES)
    rows = []
    for engine in (Engine("here"), Engine("2 workers", ("--workers", "2"))):
        argv = [MLX, "-q", "run", "--no-cache", *engine.options, "p.py:fan", "--length"]
        many, few = once([*argv, "10000"], folder, env), once([*argv, "10"], folder, env)
        rows.append(
            Row(
                f"memory of the driver, 10,000 steps in one run, {engine.name} ({many.wall:.0f} s)",
                f"{many.peak:.0f} MB",
                f"10 steps {few.peak:.0f} MB",
                many.peak / few.peak,
                "1 GB",
            )
        )
    return rows


@contextmanager
def _engines(folder: Path) -> Iterator[list[Engine]]:
    """Write a stack for each engine, and start a cluster of one node for the one that needs it."""
    found = [Engine("here"), Engine("2 workers", ("--workers", "2"), "pool")]
    with ExitStack() as stack:
        config = "version: 1\nstacks:\n  plain: {}\n"
        if find_spec("ray") is None:
            sys.stderr.write("ray is not installed: its rows are left out\n")
        else:
            from tests.fixtures.ray_cluster import started_cluster

            cluster = stack.enter_context(started_cluster(nodes=1))
            config += f"  cluster: {{orchestrator: ray}}\norchestrators:\n  ray: {{flavor: ray, address: '{cluster.address}'}}\n"
            found.append(Engine("ray", ("--stack", "cluster"), "ray", cluster.address))
        (folder / "mlx.yaml").write_text(f"{config}default_stack: plain\n")
        yield found


def _marginal(folder: Path, engine: Engine, env: Mapping[str, str]) -> list[Row]:
    """Compare runs of 1,000 and of 10 steps with the engine's own calls, as many of them."""
    (folder / "p.py").write_text(SHAPES)
    (folder / "bare.py").write_text(BARE)
    rows = []
    for shape, what in (("chain", "a chain of 1,000"), ("fan", "1,000 at once")):
        ours, bare = [], []
        for _ in range(_ROUNDS):
            long, short = (
                _run(folder, engine, env, f"p.py:{shape}", "--length", str(n)) for n in (_LONG, _SHORT)
            )
            ours.append((long.wall - short.wall) / (_LONG - _SHORT) * 1000)
            argv = [sys.executable, "bare.py", engine.bare, shape, engine.address]
            told = subprocess.run(
                argv, cwd=folder, env=dict(env), check=True, capture_output=True, text=True, timeout=_PATIENCE
            )
            bare.append(float(told.stdout.split()[-1]) * 1000)
        cost, floor = statistics.median(ours), statistics.median(bare)
        rows.append(
            Row(
                f"one more step, {what}, {engine.name}",
                f"{cost:.2f} ms",
                f"{_NAMES[engine.bare]} {floor:.3f} ms",
                cost / floor,
                _BUDGETS[engine.bare, shape],
            )
        )
    return rows


def _burn(folder: Path, env: Mapping[str, str]) -> list[Row]:
    """Time 8 steps that take a processor half a second each: alone, with two workers, and in a bare pool of two."""
    (folder / "p.py").write_text(BURN)
    (folder / "floor.py").write_text(BURN_FLOOR)
    alone, both, floor = [], [], []
    for _ in range(_ROUNDS):
        alone.append(_run(folder, Engine("here"), env, "p.py"))
        both.append(_run(folder, Engine("2 workers", ("--workers", "2")), env, "p.py"))
        floor.append(once([sys.executable, "floor.py"], folder, env))
    one, two, bare = median(alone).wall, median(both).wall, median(floor).wall
    what = "8 CPU-bound steps of 0.5 s"
    return [
        Row(f"{what}: `--workers 2` is faster by", f"{two:.2f} s", f"one by one {one:.2f} s", one / two, "at least 1.85 x"),
        Row(f"{what}, `--workers 2`", f"{two:.2f} s", f"a bare fork pool of 2 {bare:.2f} s", two / bare, "1.15 x"),
    ]  # fmt: skip


def _array(folder: Path, engine: Engine, env: Mapping[str, str]) -> list[Row]:
    (folder / "p.py").write_text(ARRAY)
    (folder / "floor.py").write_text(ARRAY_FLOOR)
    ours, plain = [], []
    for _ in range(_ROUNDS):
        ours.append(_run(folder, engine, env, "p.py"))
        plain.append(once([sys.executable, "floor.py"], folder, env))
    one, other = median(ours), median(plain)
    return [
        Row(
            f"400 MB array from step to step, {engine.name}",
            f"{one.wall:.2f} s",
            f"save + load {other.wall:.2f} s",
            one.wall / other.wall,
            "1.3 x" if engine.bare == "call" else "none",
        )
    ]


def _run(folder: Path, engine: Engine, env: Mapping[str, str], *argv: str) -> Sample:
    return once([MLX, "-q", "run", "--no-cache", *engine.options, *argv], folder, env)


_NAMES = {"call": "1 ms", "pool": "a bare pool of 2", "ray": "bare Ray tasks"}
_BUDGETS = {
    ("call", "chain"): "1 ms", ("call", "fan"): "1 ms", ("pool", "chain"): "none", ("pool", "fan"): "none",
    ("ray", "chain"): "none", ("ray", "fan"): "1.3 x",
}  # fmt: skip
