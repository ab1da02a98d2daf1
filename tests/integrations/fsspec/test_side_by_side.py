"""Requests side by side, and who does not wait for those that hang."""

from __future__ import annotations

import threading

import pytest

from mlxkit.integrations.fsspec.side_by_side import side_by_side


def test_results_come_in_order_and_so_many_at_a_time() -> None:
    both = threading.Barrier(2)

    def work(number: int) -> int:
        both.wait(60)
        return number * number

    assert list(side_by_side(work, range(6), 2)) == [0, 1, 4, 9, 16, 25]
    assert list(side_by_side(work, [], 2)) == []


def test_who_stops_asking_waits_for_nothing_that_hangs() -> None:
    hangs, ended = threading.Event(), []

    def work(number: int) -> int:
        if number:
            hangs.wait(60)
            ended.append(number)
        return number

    asked = side_by_side(work, range(9), 3)
    assert next(asked) == 0
    asked.close()  # as an interruption does
    assert ended == []
    threads = [thread for thread in threading.enumerate() if thread.name == "mlx-store"]
    assert threads and all(thread.daemon for thread in threads)  # nor does the end of the program
    hangs.set()
    for thread in threads:
        thread.join(60)
    assert len(ended) <= 3  # the rest was not begun


def test_after_a_failure_nothing_is_on_its_way_any_more() -> None:
    begun, ended, all_three = [], [], threading.Barrier(3)

    def work(number: int) -> None:
        begun.append(number)
        all_three.wait(60)
        if number == 0:
            raise OSError("refused")
        ended.append(number)

    with pytest.raises(OSError, match="refused"):
        list(side_by_side(work, range(3), 3))
    assert sorted(ended) == [1, 2] and len(begun) == 3
