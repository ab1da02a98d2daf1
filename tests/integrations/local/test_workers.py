"""Workers of this machine: what work returns, raises and says, and what becomes of it when its process dies."""

from __future__ import annotations

import json
import os
import signal
import time
import tracemalloc
from pathlib import Path

import pytest

from mlxkit.errors import MlxError, UsageError
from mlxkit.integrations.local.workers.executor import WorkersExecutor
from mlxkit.stacks.executors import CancelledWorkError, Event, Resources, WorkerLostError
from tests.integrations.local import work
from tests.integrations.local.conftest import PATIENCE, Make, children, is_running, submit, wait_for

pytestmark = pytest.mark.integration


def test_results_come_back_to_who_asked(executor: WorkersExecutor) -> None:
    futures = [submit(executor, work.twice, b"%d," % number) for number in range(50)]
    assert [future.result(PATIENCE) for future in futures] == [b"%d,%d," % (n, n) for n in range(50)]


def test_nothing_is_started_before_there_is_work(make: Make) -> None:
    before = children()
    executor = make()
    assert children() == before
    executor.close()
    assert children() == before


def test_workers_are_as_many_as_there_is_work_for(make: Make) -> None:
    executor = make(8)
    numbers = {submit(executor, work.pid).result(PATIENCE) for _ in range(20)}
    assert len(numbers) == 1
    assert os.getpid() not in numbers


def test_two_pieces_of_work_run_at_once_and_no_more(make: Make, tmp_path: Path) -> None:
    executor = make(2)
    folder = str(tmp_path).encode()
    futures = [submit(executor, work.together, folder, b"5", b"2") for _ in range(4)]
    assert max(future.result(PATIENCE) for future in futures) == 2


def test_code_reaches_a_worker_once(make: Make) -> None:
    executor = make(1)
    codes = [bytes([number]) * 100_000 for number in range(3)]
    first = [submit(executor, work.length_and_identity, code, b"").result(PATIENCE) for code in codes]
    again = [
        submit(executor, work.length_and_identity, bytes(bytearray(code)), b"").result(PATIENCE)
        for code in codes
    ]
    assert again == first
    assert len({identity for _, identity in first}) == 3


def test_a_worker_forgets_the_code_that_it_has_not_seen_for_long(make: Make) -> None:
    executor = make(1)
    codes = [bytes([number]) * 1000 for number in range(20)]
    for code in (*codes, *codes[::-1], *codes):
        assert submit(executor, work.length_and_identity, code, b"").result(PATIENCE)[0] == 1000


def test_a_large_piece_of_code_reaches_a_worker_that_is_still_starting(executor: WorkersExecutor) -> None:
    code = os.urandom(1 << 20) * 30
    assert submit(executor, work.length_and_identity, code, b"").result(PATIENCE)[0] == 30 << 20


def test_events_come_in_order_and_before_the_result(executor: WorkersExecutor) -> None:
    events: list[Event] = []
    seen: list[int] = []
    future = submit(executor, work.speak, b"5000", on_event=events.append)
    future.add_done_callback(lambda _: seen.append(len(events)))
    assert future.result(PATIENCE) == b"spoken"
    assert events[0] == ("started",)
    printed = "".join(event[1] for event in events if event[0] == "output")
    assert printed == "".join(f"line {n}\n" for n in range(5000))
    assert events[1:3] == [("output", "line 0\n"), ("noted", "at 0")]
    assert len(events) < 2500  # what is printed in pieces comes together
    assert seen == [len(events)]


def test_what_is_said_arrives_while_the_work_goes_on(make: Make) -> None:
    executor = make(1)
    events: list[Event] = []
    future = submit(executor, work.seconds, b"60", on_event=events.append)
    wait_for(lambda: ("started",) in events)
    assert not future.done()


def test_the_driver_knows_a_trackers_run_before_work_goes_on(
    executor: WorkersExecutor, tmp_path: Path
) -> None:
    file = tmp_path / "known"
    file.write_text("")

    def hear(event: Event) -> None:
        time.sleep(0.05)
        with file.open("a") as log:
            log.write(f"{event[1].strip()} ")

    future = submit(executor, work.open_tracker_run, str(file).encode(), on_event=hear)
    assert future.result(PATIENCE) == b"before run-1 "


def test_what_is_printed_past_python_is_said_too(executor: WorkersExecutor) -> None:
    events: list[Event] = []
    submit(executor, work.speak_from_below, on_event=events.append).result(PATIENCE)
    assert "".join(event[1] for event in events) == "über a child\nto stderr\nby Python\n"


def test_who_prints_without_end_keeps_nobody_waiting(make: Make) -> None:
    executor = make(2)
    events: list[Event] = []

    def hear(event: Event) -> None:
        events.append(event)
        time.sleep(0.02)  # slower than they print, as a terminal is

    prints = submit(executor, work.flood, on_event=hear)
    wait_for(lambda: len(events) > 2)
    assert submit(executor, work.twice, b"x").result(PATIENCE) == b"xx"
    prints.cancel()
    with pytest.raises(CancelledWorkError):
        prints.result(PATIENCE)


def test_a_child_that_work_forks_disturbs_nothing(make: Make) -> None:
    executor = make(1)
    events: list[Event] = []
    future = submit(executor, work.speak_from_a_fork, on_event=events.append)
    assert future.result(PATIENCE) == b"went on"
    assert sorted(event[1] for event in events) == ["from the fork\n", "from the worker\n"]
    assert submit(executor, work.twice, b"x").result(PATIENCE) == b"xx"


def test_an_exception_comes_as_itself(executor: WorkersExecutor) -> None:
    future = submit(executor, work.fail, b"ordinary")
    with pytest.raises(ValueError, match="ordinary") as caught:
        future.result(PATIENCE)
    assert "work.py" in str(caught.value.__cause__)


def test_sys_exit_ends_the_work_and_not_the_worker(make: Make) -> None:
    executor = make(1)
    first = submit(executor, work.pid).result(PATIENCE)
    error = submit(executor, work.fail, b"exit").exception(PATIENCE)
    assert isinstance(error, SystemExit)
    assert error.code == 3
    assert submit(executor, work.pid).result(PATIENCE) == first


def test_an_exception_that_cannot_travel_comes_as_its_text_without_secrets(make: Make) -> None:
    executor = make(1)
    with pytest.raises(MlxError, match=r"Shy: shy, with \*\*\*") as caught:
        submit(executor, work.fail, b"shy", secrets={"token": "canary-7"}).result(PATIENCE)
    assert "canary-7" not in str(caught.value)
    with pytest.raises(MlxError, match="Picky: one and two"):
        submit(executor, work.fail, b"picky").result(PATIENCE)


def test_a_result_that_cannot_travel_is_an_error_of_the_work(make: Make) -> None:
    executor = make(1)
    error = submit(executor, work.cannot_travel).exception(PATIENCE)
    assert error is not None
    assert "cannot_travel.<locals>" in str(error)  # what else it says differs by version of Python
    assert submit(executor, work.twice, b"x").result(PATIENCE) == b"xx"


def test_an_error_of_who_listens_is_the_works(make: Make) -> None:
    executor = make(1)

    def hear(_event: Event) -> None:
        raise LookupError("deaf")

    with pytest.raises(LookupError, match="deaf"):
        submit(executor, work.speak, b"1", on_event=hear).result(PATIENCE)
    assert submit(executor, work.twice, b"x").result(PATIENCE) == b"xx"


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (b"kill", r"was killed by signal 9 \(out of memory\?\)"),
        (b"segfault", "was killed by signal 11"),
        (b"abort", "was killed by signal 6"),
        (b"exit", "exited with status 0 in the middle of it"),
        (b"closed channel", "exited with status 1"),
    ],
)
def test_a_worker_that_dies_costs_one_piece_of_work(make: Make, how: bytes, words: str) -> None:
    executor = make(2)
    events: list[Event] = []
    before = [submit(executor, work.twice, b"%d" % number) for number in range(5)]
    dies = submit(executor, work.die, how, on_event=events.append)
    after = [submit(executor, work.twice, b"%d" % number) for number in range(5)]
    with pytest.raises(WorkerLostError, match=f"the worker of die {words}"):
        dies.result(PATIENCE)
    assert [future.result(PATIENCE) for future in before + after] == [b"%d%d" % (n, n) for n in range(5)] * 2
    assert ("output", "last words\n") in events


def test_lost_work_is_given_to_another_worker(executor: WorkersExecutor) -> None:
    events: list[Event] = []
    future = submit(executor, work.die_once, retries=1, on_event=events.append)
    assert future.result(PATIENCE) == 1
    assert events == [("lost", "the worker of die_once was killed by signal 9 (out of memory?)")]


def test_work_that_is_lost_too_often_is_lost(make: Make) -> None:
    executor = make(1)
    events: list[Event] = []
    with pytest.raises(WorkerLostError):
        submit(executor, work.die, b"kill", retries=2, on_event=events.append).result(PATIENCE)
    assert [event[0] for event in events if event[0] == "lost"] == ["lost", "lost"]


def test_the_death_of_an_idle_worker_costs_nothing(make: Make) -> None:
    executor = make(1)
    first = submit(executor, work.pid).result(PATIENCE)
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: not is_running(first))
    second = submit(executor, work.pid, retries=1).result(PATIENCE)
    assert second != first


def test_the_death_of_the_nursery_costs_what_ran(make: Make) -> None:
    executor = make(2)
    worker = submit(executor, work.pid).result(PATIENCE)
    (nursery,) = [child for child in children() if is_parent(child, worker)]
    running = submit(executor, work.seconds, b"60")
    os.kill(nursery, signal.SIGKILL)
    with pytest.raises(WorkerLostError, match="lost with the process that it was forked from"):
        running.result(PATIENCE)
    assert submit(executor, work.twice, b"x").result(PATIENCE) == b"xx"
    wait_for(lambda: not is_running(worker))


def is_parent(parent: int, child: int) -> bool:
    return Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[1] == str(parent)


def test_cancelled_work_that_waits_never_begins(make: Make) -> None:
    executor = make(1)
    first = submit(executor, work.seconds, b"60")
    second = submit(executor, work.twice, b"x", on_event=lambda _: None)
    assert second.cancel()
    with pytest.raises(CancelledWorkError, match="twice was cancelled"):
        second.result(PATIENCE)
    assert not second.cancel()
    assert not first.done()


def test_cancelled_work_is_ended_and_others_go_on(executor: WorkersExecutor) -> None:
    events: list[Event] = []
    long = submit(executor, work.seconds, b"60", on_event=events.append)
    other = submit(executor, work.seconds, b"0.5")
    wait_for(lambda: ("started",) in events)
    process = int(events[0][1])
    assert long.cancel()
    with pytest.raises(CancelledWorkError):
        long.result(PATIENCE)
    assert other.result(PATIENCE) == b"0.5"
    wait_for(lambda: not is_running(process))
    assert submit(executor, work.twice, b"x").result(PATIENCE) == b"xx"


def test_cancelled_work_is_not_retried(make: Make) -> None:
    executor = make(1)
    events: list[Event] = []
    future = submit(executor, work.seconds, b"60", retries=3, on_event=events.append)
    wait_for(lambda: ("started",) in events)
    future.cancel()
    with pytest.raises(CancelledWorkError):
        future.result(PATIENCE)
    assert "lost" not in [event[0] for event in events]


def test_work_can_clean_up_when_it_is_cancelled(make: Make, tmp_path: Path) -> None:
    executor = make(1)
    events: list[Event] = []
    file = tmp_path / "cleaned"
    future = submit(executor, work.clean_up, str(file).encode(), on_event=events.append)
    wait_for(lambda: events)
    future.cancel()
    assert future.result(PATIENCE) == b"killed"
    assert file.read_text() == "cleaned"


def test_work_that_does_not_end_is_killed(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlxkit.integrations.local.workers.roster.GRACE", 0.5)
    executor = make(1)
    events: list[Event] = []
    future = submit(executor, work.stubborn, b"300", on_event=events.append)
    wait_for(lambda: events)
    future.cancel()
    with pytest.raises(CancelledWorkError):
        future.result(PATIENCE)


def test_close_waits_for_what_was_given(executor: WorkersExecutor) -> None:
    futures = [submit(executor, work.seconds, b"0.05") for _ in range(6)]
    executor.close()
    assert [future.result(0) for future in futures] == [b"0.05"] * 6


def test_close_waits_for_lost_work_that_is_done_again(make: Make) -> None:
    executor = make(1)
    future = submit(executor, work.die_once, retries=1)
    executor.close()
    assert future.result(0) == 1


def test_close_with_cancel_ends_everything(executor: WorkersExecutor) -> None:
    events: list[Event] = []
    futures = [submit(executor, work.seconds, b"60", on_event=events.append) for _ in range(5)]
    wait_for(lambda: events.count(("started",)) == 2)
    executor.close(cancel=True)
    for future in futures:
        with pytest.raises(CancelledWorkError):
            future.result(0)
    for kind, *text in events:
        assert kind != "detail" or not is_running(int(text[0]))


def test_who_comes_after_the_end_is_told(executor: WorkersExecutor) -> None:
    submit(executor, work.twice, b"x")
    executor.close()
    executor.close(cancel=True)
    with pytest.raises(CancelledWorkError):
        submit(executor, work.twice, b"x").result(PATIENCE)


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_children_of_work_end_with_its_worker(make: Make, tmp_path: Path, start: str) -> None:
    executor = make(2, start=start)
    left, stays = tmp_path / "left", tmp_path / "stays"
    events: list[Event] = []
    assert submit(executor, work.leave_children, str(left).encode()).result(PATIENCE) == b"left"
    future = submit(executor, work.leave_children_and_stay, str(stays).encode(), on_event=events.append)
    wait_for(lambda: events)
    numbers = json.loads(left.read_text()) + json.loads(stays.read_text())
    assert len(numbers) == 16
    assert all(map(is_running, numbers))
    executor.close(cancel=True)
    assert future.done()
    wait_for(lambda: not [number for number in numbers if is_running(number)])  # SIGKILL takes its moment


def test_children_of_a_worker_that_died_end_with_it(make: Make, tmp_path: Path) -> None:
    executor = make(1)
    file = tmp_path / "left"
    submit(executor, work.leave_children, str(file).encode()).result(PATIENCE)
    with pytest.raises(WorkerLostError):
        submit(executor, work.die, b"kill").result(PATIENCE)
    wait_for(lambda: not [number for number in json.loads(file.read_text()) if is_running(number)])


def test_handlers_that_work_leaves_are_taken_back(make: Make) -> None:
    executor = make(1)
    submit(executor, work.set_handler).result(PATIENCE)
    assert submit(executor, work.has_handler).result(PATIENCE) is False


def test_many_submissions_stay_small(make: Make) -> None:
    executor = make(2)
    code = b"c" * 50_000

    def run(count: int) -> None:
        futures = [
            submit(executor, work.nothing, code, b"t" * 400, on_event=lambda _: None) for _ in range(count)
        ]
        for future in futures:
            future.result(PATIENCE)

    run(100)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        run(1000)
        kept = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert kept < 400_000  # the tasks alone would be as much again


def test_a_request_that_this_machine_cannot_hold_is_refused_at_once(make: Make) -> None:
    executor = make(2)
    with pytest.raises(UsageError, match="twice needs GPU=1; there is at most GPU=0"):
        submit(executor, work.twice, b"x", resources=Resources(gpus=1))
