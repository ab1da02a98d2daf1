"""Child processes of a run that begin anew import what the run's own process imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

RUN = """
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from zenml import pipeline, step
from work import doubled

@step
def spread() -> list[int]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return list(pool.map(doubled, [1, 2]))

@pipeline
def spreading():
    spread()

if __name__ == "__main__":
    print(spreading().steps["spread"].output.load())
"""
JOBLIB = RUN.replace(
    "with ProcessPool", "from joblib import Parallel, delayed\n    with ProcessPool"
).replace("list(pool.map(doubled, [1, 2]))", "Parallel(n_jobs=2)(delayed(doubled)(n) for n in [1, 2])")
WORK = """
from zenml.client import Client
from zenml.steps import step

def doubled(n: int) -> int:
    return n * 2 if Client.__module__ == "mlxkit.compat.client" else 0
"""


@pytest.mark.parametrize("text", [RUN, JOBLIB], ids=["spawn", "joblib"])
def test_a_child_imports_a_module_of_the_project_that_imports_zenml(mlx: Any, text: str) -> None:
    assert mlx("init").code == 0
    Path("run.py").write_text(text)
    Path("work.py").write_text(WORK)
    done = subprocess.run(
        [sys.executable, "-m", "mlxkit", "run", "run.py"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[2, 4]"
