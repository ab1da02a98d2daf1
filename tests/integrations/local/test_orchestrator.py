"""The orchestrator of this machine: which executor a run gets, and of what size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlxkit.errors import ConfigError
from mlxkit.integrations.local import orchestrator
from mlxkit.integrations.local.flavor import ARTIFACT_STORE, ORCHESTRATOR
from mlxkit.integrations.local.machine import usable_cpus
from mlxkit.integrations.local.orchestrator import LocalOrchestrator
from mlxkit.integrations.local.sequential import SequentialExecutor
from mlxkit.integrations.local.workers.executor import WorkersExecutor
from mlxkit.stacks.attributes import InvalidAttributeError, check_attributes
from mlxkit.stacks.executors import Executor
from mlxkit.stacks.flavors import Flavor
from mlxkit.stacks.resolve import ResolvedComponent
from tests.integrations.local.conftest import facts


@pytest.fixture(autouse=True)
def no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


def executor_of(run: str | None = None, **attributes: Any) -> Executor:
    component = ResolvedComponent("orchestrator", "mine", "local", attributes)
    made = LocalOrchestrator(component, Path()).executor(facts(workers=run))
    made.close()
    return made


def slots(executor: Executor) -> int:
    assert isinstance(executor, WorkersExecutor)
    assert not executor.is_here
    return executor._dispatcher.slots


def test_without_workers_steps_run_here() -> None:
    executor = executor_of()
    assert isinstance(executor, SequentialExecutor)
    assert executor.is_here


@pytest.mark.parametrize(
    ("run", "component", "count"),
    [("3", None, 3), (None, 4, 4), (None, "4", 4), ("2", 4, 2), ("1", 4, 1), ("auto", 4, usable_cpus())],
)
def test_the_run_counts_before_the_component(run: str | None, component: Any, count: int) -> None:
    attributes = {} if component is None else {"workers": component}
    assert slots(executor_of(run, **attributes)) == count


def test_auto_is_one_a_usable_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlxkit.integrations.local.machine.usable_cpus", lambda: 7)
    assert slots(executor_of(workers="auto")) == 7


@pytest.mark.parametrize("workers", ["0", "-1", "many", "1.5"])
def test_another_number_of_workers_is_refused(workers: str) -> None:
    with pytest.raises(ConfigError, match=r"mine: workers is .* it can be a number from 1, or auto"):
        executor_of(workers)


@pytest.mark.parametrize(
    ("visible", "gpus", "there"),
    [("0,1", "auto", 2), ("0,1", None, 2), ("0,1", 1, 1), ("0,1", 0, None), ("", 2, 2), ("", "auto", None)],
)
def test_gpus_are_those_of_the_machine_or_as_many_as_it_is_told(
    monkeypatch: pytest.MonkeyPatch, visible: str, gpus: Any, there: int | None
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    executor = executor_of("2", **({} if gpus is None else {"gpus": gpus}))
    assert executor.cluster_resources()[0].get("GPU") == there


def test_windows_is_refused_with_a_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orchestrator.sys, "platform", "win32")
    with pytest.raises(ConfigError, match="workers need processes and sockets as POSIX has them"):
        executor_of("2")


@pytest.mark.parametrize(
    ("flavor", "attributes", "words"),
    [
        (ARTIFACT_STORE, {"path": "s3://bucket/mlx"}, "path: is an address"),
        (ORCHESTRATOR, {"workers": 0}, "workers: is a number from 1"),
    ],
)
def test_what_cannot_be_meant_is_refused_when_it_is_registered(
    flavor: Flavor, attributes: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidAttributeError, match=words):
        check_attributes(flavor, "mine", attributes)


@pytest.mark.parametrize("path", ["file:///data/mlx", "~/mlx", "C:\\mlx", "<<lake.path>>"])
def test_a_folder_may_be_written_in_many_ways(path: str) -> None:
    assert check_attributes(ARTIFACT_STORE, "mine", {"path": path}) == []
