"""An executor on the session's cluster, for work that is a function of the tests."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlxkit.integrations.ray.executor import RayExecutor
from mlxkit.integrations.ray.settings import RaySettings
from mlxkit.stacks.executors import ExecutorFacts
from tests.fixtures.ray_cluster import RayCluster

ROOT = Path(__file__).parents[3]
Started = Callable[..., RayExecutor]


@pytest.fixture
def start(ray_cluster: RayCluster, tmp_path: Path) -> Iterator[Started]:
    """Make executors on the cluster; they are closed after the test."""
    made: list[RayExecutor] = []

    def start_one(**settings: Any) -> RayExecutor:
        settings = {"address": ray_cluster.address, "env_vars": {"PYTHONPATH": str(ROOT)}, **settings}
        facts = ExecutorFacts(f"run{os.getpid()}x{len(made)}", "a-run", tmp_path, say=lambda _line: None)
        made.append(RayExecutor(RaySettings("cluster", **settings), facts))
        return made[-1]

    yield start_one
    for one in made:
        one.close(cancel=True)
    # Ray crashes when it is left while a thread is in one of its calls.
    assert "mlx-ray-channel" not in [thread.name for thread in threading.enumerate()]
