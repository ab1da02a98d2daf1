"""History and cache of a project with 100,000 runs of three steps each, against one with 20."""

from __future__ import annotations

import json
import shutil
import sqlite3
import statistics
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from .measure import Row, Sample, clean_environment, median, once

MLX = str(Path(sys.executable).with_name("mlx"))
_MANY, _FEW, _ROUNDS = 100_000, 20, 7
_STEPS = """
from mlxkit import pipeline, step

@step
def load(seed: int) -> int:
    return seed

@step
def fit(x: int) -> int:
    return x + 1

@step
def check(x: int) -> int:
    return x * 2

@pipeline(name={name!r})
def three(seed: int = 0) -> None:
    check(fit(load(seed)))
"""
# What a run asks for each step, in microseconds: keys are spread over the whole table, and few are asked twice.
_ASK = """
import json, sys, time
from pathlib import Path
from mlxkit.runs.history import History

history = History(Path(".mlx"))
found = history.connection.execute("SELECT cache_key FROM steps ORDER BY (rowid * 7919) % 300007 LIMIT 600")
keys = [row["cache_key"] for row in found]

def cost(ask, asked):
    started = time.perf_counter()
    for each in asked:
        ask(*each)
    return (time.perf_counter() - started) / len(asked) * 1e6

print(json.dumps({
    "hit": cost(history.find_cached, [(key,) for key in keys]),
    "miss": cost(history.find_cached, [(key[::-1],) for key in keys]),
    "why": cost(history.last_parts, [("three", name) for name in ("load", "fit", "check")] * 50),
    "why, a new pipeline": cost(history.last_parts, [("unseen", name) for name in ("load", "fit", "check")] * 10),
}))
"""
_TOLD = {
    "hit": "a cache key that is there",
    "miss": "a cache key that is not there",
    "why": "what a step was made from last",
    "why, a new pipeline": "the same, in a pipeline that never ran",
}


def history(folder: Path) -> list[Row]:
    """Listing, looking keys up, and whole runs that ask for each step: cached, and new."""
    env = clean_environment(folder)
    many, few = folder / "many", folder / "few"
    few.mkdir()
    (few / "p.py").write_text(_STEPS.replace("{name!r}", "'three'"))
    (few / "new.py").write_text(_STEPS.replace("{name!r}", "'other'"))
    once([MLX, "init"], few, env)
    once([MLX, "run", "p.py"], few, env)
    shutil.copytree(few, many)
    for place, count in ((many, _MANY), (few, _FEW)):
        _clone(place / ".mlx" / "history.db", count)
    rows = [
        _cpu("`mlx runs list`, 20 of 100,000, CPU", many, few, env, ["runs", "list"], "1.2 x"),
        _cpu("`mlx run`, 3 cached steps after 100,000 runs, CPU", many, few, env, ["run", "p.py"], "1.2 x"),
        _cpu("`mlx run`, 3 steps with other parameters, CPU", many, few, env, ["run", "new.py", "--seed", "N"], "1.2 x"),
    ]  # fmt: skip
    asked = {place: [_asked(place, env) for _ in range(_ROUNDS)] for place in (many, few)}
    for key, what in _TOLD.items():
        ours, other = (statistics.median(one[key] for one in asked[place]) for place in (many, few))
        rows.append(
            Row(f"{what}, 300,000 steps", f"{ours:.0f} µs", f"60 steps {other:.0f} µs", ours / other, "1 ms")
        )
    return rows


def _cpu(what: str, many: Path, few: Path, env: Mapping[str, str], argv: list[str], budget: str) -> Row:
    a: list[Sample] = []
    b: list[Sample] = []
    for number in range(_ROUNDS + 2):
        typed = [word.replace("N", str(number + 1)) for word in argv]
        a.append(once([MLX, *typed], many, env))
        b.append(once([MLX, *typed], few, env))
    ours, other = median(a), median(b)
    return Row(what, f"{ours.cpu:.3f} s", f"after 20 {other.cpu:.3f} s", ours.cpu / other.cpu, budget)


def _asked(place: Path, env: Mapping[str, str]) -> dict[str, float]:
    told = subprocess.run(
        [sys.executable, "-c", _ASK], cwd=place, env=dict(env), check=True, capture_output=True, text=True
    )
    return dict(json.loads(told.stdout))


def _clone(database: Path, count: int) -> None:
    """Copy the only run with its steps and outputs, each copy older than the one before, with keys of its own."""
    changed = {
        "runs": {"id": "printf('clone%08d', n)", "started": "started - n", "ended": "ended - n"},
        "steps": {
            "id": "t.id || n", "run_id": "printf('clone%08d', n)", "started": "started - n", "ended": "ended - n",
            "cache_key": "printf('%08x', n * 2654435761 % 4294967296) || substr(cache_key, 9)",
        },
        "outputs": {"step_id": "t.step_id || n"},
    }  # fmt: skip
    db = sqlite3.connect(database)
    for table, made in changed.items():
        columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
        chosen = ", ".join(made.get(name, name) for name in columns)
        db.execute(
            f"WITH RECURSIVE counter(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < {count}) "
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {chosen} FROM {table} t, counter"
        )
    db.commit()
    db.close()
