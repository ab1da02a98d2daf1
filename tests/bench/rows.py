"""The rows of the table, each a function from an empty folder to what was measured in it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from .cache import cache
from .engines import engines, memory
from .history import history
from .measure import Row, Sample, clean_environment, median, once, paired
from .programs import ARRAY, ARRAY_FLOOR, CHAIN, FRAME, FRAME_FLOOR, TEN_STEPS, TRACKED, TRACKED_FLOOR
from .serving import serving
from .store import store

PYTHON = sys.executable
MLX = str(Path(sys.executable).with_name("mlx"))
BARE = [PYTHON, "-c", "pass"]


def commands(folder: Path) -> list[Row]:
    """The cheap commands on a pipe, against bare Python; CPU seconds."""
    env = clean_environment(folder)
    (folder / "p.py").write_text(TEN_STEPS)
    once([MLX, "init"], folder, env)
    once([MLX, "run", "p.py"], folder, env)
    rows = []
    for argv in (["stack", "list"], ["tracker", "list"], ["secret", "list"], ["runs", "list"]):
        ours, bare = paired([MLX, *argv], BARE, folder, env, runs=11)
        rows.append(_cpu_row(f"`mlx {' '.join(argv)}`, CPU", ours, bare, "bare Python", "9 x"))
    return [*rows, *_zenml(folder, env)]


def tab(folder: Path) -> list[Row]:
    """A TAB as the shells' scripts ask for it, against bare Python; CPU seconds."""
    env = clean_environment(folder)
    (folder / "p.py").write_text(TEN_STEPS)
    once([MLX, "init"], folder, env)
    once([MLX, "run", "p.py"], folder, env)
    rows = []
    for what, typed in (
        ("commands", ["stack", ""]),
        ("names of stacks", ["stack", "set", ""]),
        ("names of runs", ["runs", "describe", ""]),
        ("attributes of a flavor", ["tracker", "register", "team", "--flavor=mlflow", "--"]),
    ):
        ours, bare = _paired_env([MLX, *typed], {**env, "_MLX_COMPLETE": "bash"}, BARE, env, folder, runs=21)
        rows.append(_cpu_row(f"a TAB for {what}, CPU", ours, bare, "bare Python", "2 x"))
    return rows


def trivial(folder: Path) -> list[Row]:
    """Ten trivial steps, recorded: fresh, and fully cached; wall seconds of the whole process."""
    env = clean_environment(folder)
    (folder / "p.py").write_text(TEN_STEPS)
    once([MLX, "init"], folder, env)
    fresh, bare = paired([MLX, "run", "--no-cache", "p.py"], BARE, folder, env)
    cached, bare_again = paired([MLX, "run", "p.py"], BARE, folder, env)
    return [
        Row("`mlx run`, 10 trivial steps, whole process", _seconds(fresh), f"bare Python {bare.wall:.3f} s", fresh.wall / bare.wall, "0.25 s"),
        Row("the same, fully cached", _seconds(cached), f"bare Python {bare_again.wall:.3f} s", cached.wall / bare_again.wall, "0.25 s"),
    ]  # fmt: skip


def chain(folder: Path) -> list[Row]:
    """What one more recorded, cache-checked step costs: chains of 1,000 and of 10, in one process each."""
    env = clean_environment(folder)
    (folder / "p.py").write_text(CHAIN)
    once([MLX, "init"], folder, env)
    long, short = paired(
        [MLX, "-q", "run", "--no-cache", "p.py", "--length", "1000"],
        [MLX, "-q", "run", "--no-cache", "p.py", "--length", "10"],
        folder,
        env,
        runs=3,
    )
    marginal = (long.wall - short.wall) / 990 * 1000
    return [Row("one more step in a chain of 1,000", f"{marginal:.2f} ms", "1 ms", marginal, "1 ms")]


def tracked(folder: Path) -> list[Row]:
    """Five tracked steps with 3 params and 20 metrics each, against a script that makes the same MLflow calls."""
    env = clean_environment(folder)
    (folder / "mlx.yaml").write_text(
        "version: 1\nexperiment_trackers:\n  t: {flavor: mlflow}\nstacks:\n  s: {experiment_tracker: t}\n"
    )
    (folder / "p.py").write_text(TRACKED)
    (folder / "plain.py").write_text(TRACKED_FLOOR)
    sqlite_env = {**env, "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/plain.db"}
    ours, plain = _paired_env(
        [MLX, "run", "--no-cache", "p.py"], env, [PYTHON, "plain.py"], sqlite_env, folder
    )
    rows = [_wall_row("5 tracked steps, SQLite", ours, plain, "plain MLflow script", "1.10 x")]
    from .server import loopback_server

    with loopback_server(folder / "server") as uri:
        (folder / "mlx.yaml").write_text(
            f"version: 1\nexperiment_trackers:\n  t: {{flavor: mlflow, tracking_uri: '{uri}'}}\nstacks:\n  s: {{experiment_tracker: t}}\n"
        )
        server_env = {**env, "MLFLOW_TRACKING_URI": uri}
        ours, plain = _paired_env(
            [MLX, "run", "--no-cache", "p.py"], env, [PYTHON, "plain.py"], server_env, folder
        )
        rows.append(_wall_row("5 tracked steps, server", ours, plain, "plain MLflow script", "1.10 x"))
    return rows


def arrays(folder: Path) -> list[Row]:
    """A 400 MB array and a frame of 1e7 x 6 from step to step, against saving and loading them."""
    env = clean_environment(folder)
    once([MLX, "init"], folder, env)
    rows = []
    for what, program, floor, budget in (
        ("400 MB array from step to step", ARRAY, ARRAY_FLOOR, "1.3 x"),
        ("1e7 x 6 DataFrame from step to step", FRAME, FRAME_FLOOR, "3.5 s"),
    ):
        (folder / "p.py").write_text(program)
        (folder / "floor.py").write_text(floor)
        ours, plain = paired([MLX, "run", "--no-cache", "p.py"], [PYTHON, "floor.py"], folder, env, runs=7)
        row = Row(
            what,
            f"{ours.wall:.2f} s, {ours.peak:.0f} MB",
            f"save + load {plain.wall:.2f} s, {plain.peak:.0f} MB",
            ours.wall / plain.wall,
            budget,
        )
        rows.append(row)
    return rows


ROWS: dict[str, Callable[[Path], list[Row]]] = {
    "commands": commands,
    "tab": tab,
    "trivial": trivial,
    "chain": chain,
    "tracked": tracked,
    "arrays": arrays,
    "history": history,
    "serving": serving,
    "engines": engines,
    "memory": memory,
    "store": store,
    "cache": cache,
}


def _paired_env(
    ours: list[str],
    ours_env: dict[str, str],
    plain: list[str],
    plain_env: dict[str, str],
    cwd: Path,
    runs: int = 5,
) -> tuple[Sample, Sample]:
    once(ours, cwd, ours_env)
    once(plain, cwd, plain_env)
    a, b = [], []
    for _ in range(runs):
        a.append(once(ours, cwd, ours_env))
        b.append(once(plain, cwd, plain_env))
    return median(a), median(b)


def _zenml(folder: Path, env: dict[str, str]) -> list[Row]:
    python = os.environ.get("MLX_BENCH_ZENML")
    if not python:
        return []
    zenml = str(Path(python).with_name("zenml"))
    theirs, ours = paired([zenml, "stack", "list"], [MLX, "stack", "list"], folder, env, runs=7)
    return [
        Row(
            "`zenml stack list` against `mlx stack list`, CPU",
            f"{ours.cpu:.3f} s",
            f"ZenML {theirs.cpu:.2f} s",
            ours.cpu / theirs.cpu,
            "1/25",
        )
    ]


def _cpu_row(what: str, ours: Sample, other: Sample, name: str, budget: str) -> Row:
    return Row(what, f"{ours.cpu:.3f} s", f"{name} {other.cpu:.3f} s", ours.cpu / other.cpu, budget)


def _wall_row(what: str, ours: Sample, other: Sample, name: str, budget: str) -> Row:
    return Row(what, _seconds(ours), f"{name} {other.wall:.2f} s", ours.wall / other.wall, budget)


def _seconds(sample: Sample) -> str:
    return f"{sample.wall:.3f} s (CPU {sample.cpu:.3f})"
