"""What of the machine is given to whom, and who waits."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mlxkit.integrations.local.workers.budget import Budget
from mlxkit.integrations.local.workers.waiting import Waiting
from mlxkit.stacks.executors import Event, Resources
from tests.integrations.local import work
from tests.integrations.local.conftest import PATIENCE, Make, submit, wait_for


@dataclass(eq=False)
class Piece:
    name: str
    resources: Resources = field(default_factory=Resources)


def test_processors_and_memory_are_given_until_there_are_none() -> None:
    budget = Budget(2, 1000, 0)
    first = budget.take(Resources(cpus=1.5, memory=400))
    assert first
    assert budget.take(Resources(cpus=1)) is None
    assert budget.take(Resources(cpus=0.5, memory=601)) is None
    second = budget.take(Resources(cpus=0.5, memory=600))
    assert second
    assert budget.take(Resources(cpus=0.1)) is None
    budget.give_back(first)
    assert budget.take(Resources(cpus=1.5, memory=400))


def test_thirds_of_a_processor_add_up() -> None:
    budget = Budget(1, 0, 0)
    for _ in range(100):
        shares = [budget.take(Resources(cpus=1 / 3)) for _ in range(3)]
        assert all(shares)
        assert budget.take(Resources(cpus=1 / 3)) is None
        for share in shares:
            assert share
            budget.give_back(share)


def test_each_gpu_has_one_user() -> None:
    budget = Budget(8, 0, 3)
    first, second = budget.take(Resources(gpus=1)), budget.take(Resources(gpus=2))
    assert first
    assert second
    assert (first.devices, second.devices) == ((0,), (1, 2))
    assert budget.take(Resources(gpus=1)) is None
    budget.give_back(second)
    third = budget.take(Resources(gpus=1))
    assert third
    assert third.devices == (1,)


def test_halves_share_a_gpu_and_leave_the_other_whole() -> None:
    budget = Budget(8, 0, 2)
    halves = [budget.take(Resources(gpus=0.5)) for _ in range(2)]
    assert [half.devices for half in halves if half] == [(0,), (0,)]
    whole = budget.take(Resources(gpus=1))
    assert whole
    assert whole.devices == (1,)


def test_a_gpu_that_a_worker_stands_ready_with_comes_first() -> None:
    share = Budget(8, 0, 3).take(Resources(gpus=1), ready=[(), (0, 1), (2,)])
    assert share
    assert share.devices == (2,)


def test_the_queue_is_first_come_first_served() -> None:
    waiting: Waiting[Piece] = Waiting()
    pieces = [Piece(str(number), Resources(cpus=1 + number % 2)) for number in range(6)]
    for piece in pieces:
        waiting.add(piece)
    assert [waiting.next(lambda _: True) for _ in range(6)] == pieces
    assert waiting.next(lambda _: True) is None


def test_small_work_passes_large_work_for_a_while_only() -> None:
    waiting: Waiting[Piece] = Waiting()
    large = Piece("large", Resources(cpus=2))
    waiting.add(large)
    for number in range(100):
        waiting.add(Piece(str(number)))
    passed = 0
    while waiting.next(lambda piece: piece is not large):
        passed += 1
    assert 0 < passed < 50
    assert waiting.next(lambda _: True) is large
    assert waiting.next(lambda _: True)


def test_work_is_taken_out_of_the_queue() -> None:
    waiting: Waiting[Piece] = Waiting()
    one, two = Piece("one"), Piece("two")
    waiting.add(one)
    waiting.add(two)
    assert waiting.remove(one)
    assert not waiting.remove(one)
    assert list(waiting) == [two]
    assert waiting.clear() == [two]
    assert not waiting


@pytest.mark.integration
def test_work_that_asks_for_all_processors_runs_alone(make: Make, tmp_path: Path) -> None:
    executor = make(8)
    folder = str(tmp_path).encode()
    all_of_them = Resources(cpus=executor.cluster_resources()[0]["CPU"])
    small = [submit(executor, work.together, folder, b"5", b"2") for _ in range(3)]
    large = [submit(executor, work.together, folder, b"5", b"1", resources=all_of_them) for _ in range(2)]
    more = [submit(executor, work.together, folder, b"5", b"2") for _ in range(3)]
    assert [future.result(PATIENCE) for future in large] == [1, 1]
    assert max(future.result(PATIENCE) for future in small + more) > 1


@pytest.mark.integration
def test_more_workers_than_processors_are_believed(make: Make, tmp_path: Path) -> None:
    executor = make(12)
    assert executor.cluster_resources()[0]["CPU"] >= 12
    events: list[Event] = []
    futures = [submit(executor, work.seconds, b"60", on_event=events.append) for _ in range(12)]
    wait_for(lambda: events.count(("started",)) == 12)
    executor.close(cancel=True)
    assert all(future.done() for future in futures)


@pytest.mark.integration
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_work_sees_the_gpus_that_it_was_given(make: Make, start: str) -> None:
    executor = make(4, ("0", "GPU-b"), start)
    assert executor.cluster_resources()[0]["GPU"] == 2
    events: list[Event] = []
    one = Resources(gpus=1)
    pair = [submit(executor, work.devices, b"0.3", resources=one, on_event=events.append) for _ in range(2)]
    assert {future.result(PATIENCE) for future in pair} == {"0", "GPU-b"}
    assert submit(executor, work.devices, b"0", resources=Resources(gpus=2)).result(PATIENCE) == "0,GPU-b"
    assert submit(executor, work.devices, b"0").result(PATIENCE) == ""


@pytest.mark.integration
def test_a_worker_with_other_gpus_makes_room(make: Make) -> None:
    executor = make(1, ("0", "1"))
    wishes = [0, 1, 2, 1, 0, 2]
    found = [
        submit(executor, work.devices, b"0", resources=Resources(gpus=wish)).result(PATIENCE)
        for wish in wishes
    ]
    assert found == ["", "0", "0,1", "0", "", "0,1"]


@pytest.mark.integration
def test_without_gpus_the_variable_is_left_alone(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert submit(make(1), work.devices, b"0").result(PATIENCE) == ""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert submit(make(1), work.devices, b"0").result(PATIENCE) is None
