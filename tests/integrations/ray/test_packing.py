"""How many pieces of work share a task: by how long they take, how many wait, and how much room there is."""

from __future__ import annotations

import pytest

from mlxkit.integrations.ray.packing import Piece, Task, Work, places
from mlxkit.stacks.executors import Resources


def work_of(count: int, *, alone: bool = False) -> Work:
    work = Work("fn", b"code", Resources())
    work.waiting.extend(Piece(n, (), str(n), {}, lambda _event: None, 0, alone) for n in range(count))
    return work


def tasks(work: Work, room: int, now: float = 0.0) -> list[int]:
    """Send until nothing more goes, and return how many pieces each task has."""
    sizes = []
    while pieces := work.next(room, now):
        work.on_way[len(work.on_way)] = Task(None, pieces, now)
        sizes.append(len(pieces))
    return sizes


def test_the_first_go_one_by_one_and_only_as_many_as_there_is_room_for() -> None:
    assert tasks(work_of(100), 2) == [1, 1, 1, 1]


def test_short_ones_share_a_task_and_the_rest_is_shared_out() -> None:
    work = work_of(1000)
    work.learn(0.001)
    assert tasks(work, 2) == [50, 50, 50, 50]
    few = work_of(10)
    few.learn(0.001)
    assert tasks(few, 2) == [5, 3, 1, 1]


def test_long_ones_go_alone_and_enough_of_them_that_a_cluster_sees_it_has_to_grow() -> None:
    work = work_of(100)
    for _ in range(3):
        work.learn(1.0)
    assert tasks(work, 2) == [1] * 24


def test_one_slow_piece_changes_nothing() -> None:
    work = work_of(1000)
    for seconds in (0.001, 0.002, 3.0, 0.001):
        work.learn(seconds)
    assert tasks(work, 2)[0] > 20


def test_nothing_heard_for_long_means_that_they_are_long() -> None:
    work = work_of(1000)
    work.learn(0.001)
    work.answered = 0.0
    assert len(tasks(work, 1)) == 2
    assert work.next(1, 0.5) == []
    assert len(work.next(1, 1.5)) == 1


def test_what_may_not_be_done_twice_is_alone() -> None:
    work = work_of(10, alone=True)
    work.learn(0.001)
    assert set(tasks(work, 4)) == {1}


@pytest.mark.parametrize(
    ("resources", "room"),
    [(Resources(), 6), (Resources(cpus=2), 2), (Resources(gpus=1), 1), (Resources(gpus=0.5), 2), (Resources(cpus=64), 1)],
)  # fmt: skip
def test_room_is_counted_by_node(resources: Resources, room: int) -> None:
    assert places(resources, [{"CPU": 3.0, "GPU": 1.0}, {"CPU": 3.0}]) == room
