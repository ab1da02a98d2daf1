"""What a forked worker inherits of the process that tracks a run, and must not use."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import mlflow
import pytest

from mlxkit.integrations.mlflow import active, forking
from mlxkit.integrations.mlflow.inject import injection
from mlxkit.stacks.protocols import StepFacts

from .conftest import Setting, _environment
from .workers import PATIENCE, points, start, step_of

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
_fork = multiprocessing.get_context("fork")


def in_child(work: Callable[[], Any]) -> Any:
    """Return what `work` returns in a forked child; raises when it raises, or hangs."""
    ours, theirs = _fork.Pipe()

    def main() -> None:
        try:
            theirs.send((True, work()))
        except BaseException as error:
            theirs.send((False, repr(error)))

    child = _fork.Process(target=main, daemon=True)
    child.start()
    try:
        assert ours.poll(PATIENCE), "the child hangs"
        is_fine, value = ours.recv()
    finally:
        child.kill()
        child.join(PATIENCE)
    assert is_fine, value
    return value


@pytest.fixture
def elsewhere() -> Iterator[Callable[[Callable[[], Any]], None]]:
    """Run something in a thread until the test is over; it says by an event that it is inside."""
    end, threads = threading.Event(), []

    def begin(hold: Callable[[threading.Event, threading.Event], Any]) -> None:
        inside = threading.Event()
        threads.append(threading.Thread(target=hold, args=(inside, end)))
        threads[-1].start()
        assert inside.wait(PATIENCE)

    yield begin  # type: ignore[misc]
    end.set()
    for thread in threads:
        thread.join(PATIENCE)


def test_what_a_worker_writes_stays_when_the_driver_closes_the_database(
    local: Setting, pipeline_name: str
) -> None:
    run = local.open(pipeline_name)
    with run.step(StepFacts("here", "s0")):
        mlflow.log_metric("m", 0)  # MLflow keeps its connection open
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    [engine] = [
        engine
        for uri, engine in SqlAlchemyStore._engine_map.items()
        if str(local.state_dir) in uri and "draft" not in uri
    ]
    with closing(sqlite3.connect(local.reader.database)) as other:  # type: ignore[attr-defined]
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    ours, theirs = _fork.Pipe()

    def body() -> None:
        mlflow.log_metric("m", 1, step=1)
        theirs.send("logged")
        assert theirs.recv() == "closed"
        for step in range(2, 10):
            mlflow.log_metric("m", step, step=step)

    [worker] = start(run, local, step_of("there", body))
    assert ours.poll(PATIENCE)
    engine.dispose()  # the last connection of this process
    run.measured()  # opened and closed by us
    ours.send("closed")
    worker.result()
    run.finish("completed")
    [found] = local.reader.runs(pipeline_name)
    assert [step for step, _ in points(local, found["info"]["run_id"], "m")] == list(range(10))


def test_no_idle_connection_is_open_while_a_process_forks(local: Setting, pipeline_name: str) -> None:
    run = local.open(pipeline_name)
    with run.step(StepFacts("here", "s0")):
        mlflow.log_metric("m", 0)
    database = str(local.reader.database)  # type: ignore[attr-defined]
    assert database in _open_files()
    assert database not in in_child(_open_files)
    with run.step(StepFacts("again", "s1")):
        mlflow.log_metric("m", 1)  # and what was closed is opened again
    run.finish("completed")


def test_a_fork_waits_for_our_own_short_calls(local: Setting, pipeline_name: str) -> None:
    run = local.open(pipeline_name)
    run.handed_over(StepFacts("fit", "s1"))
    store = local.tracker._store
    assert store is not None
    inside, end, states = threading.Event(), threading.Event(), []

    def hold() -> None:
        with store.connection():
            inside.set()
            end.wait(PATIENCE)
            states.append("ended")

    holder = threading.Thread(target=hold)
    holder.start()
    assert inside.wait(PATIENCE)
    threading.Timer(0.3, end.set).start()
    assert in_child(lambda: list(states)) == ["ended"]
    holder.join(PATIENCE)
    run.finish("completed")


def test_a_child_is_not_held_up_by_a_thread_that_it_has_not_got(
    local: Setting, pipeline_name: str, elsewhere: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forking, "_WAITING", 0.05)
    run = local.open(pipeline_name)
    handed = run.handed_over(StepFacts("fit", "s1"))

    def hold(inside: threading.Event, end: threading.Event) -> None:
        with injection.turn, active._lock, forking.calls.lock, run._lock:
            inside.set()
            end.wait(PATIENCE)

    elsewhere(hold)

    def work() -> None:
        joined = local.make().join(handed, lambda _: None)
        with joined.step(StepFacts("fit", "s1", settings={"nested": True})):
            mlflow.log_metric("m", 1)

    in_child(work)


def test_a_fork_waits_for_what_another_thread_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, local: Setting
) -> None:
    (tmp_path / "slowly_imported.py").write_text("import time\ntime.sleep(0.5)\nvalue = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importing = threading.Thread(target=lambda: __import__("slowly_imported"))
    importing.start()
    while "slowly_imported" not in sys.modules:
        time.sleep(0.001)
    assert in_child(lambda: __import__("slowly_imported").value) == 1
    importing.join(PATIENCE)
    sys.modules.pop("slowly_imported")


def test_a_rest_connection_is_not_shared_with_a_child(
    server: Setting, pipeline_name: str, elsewhere: Any
) -> None:
    run = server.open(pipeline_name)
    handed = run.handed_over(StepFacts("fit", "s1", settings={"nested": True}))
    rest = server.tracker._rest
    assert rest is not None
    kept = rest._open
    assert kept is not None

    def hold(inside: threading.Event, end: threading.Event) -> None:
        with rest._lock:
            inside.set()
            end.wait(PATIENCE)

    elsewhere(hold)

    def work() -> bool:
        had = rest._open is not None
        # The tracker of the driver itself, not one made anew.
        with server.tracker.join(handed, lambda _: None).step(
            StepFacts("fit", "s1", settings={"nested": True})
        ):
            mlflow.log_metric("m", 1)
        return had or rest._open is kept

    assert in_child(work) is False
    assert rest._open is kept


def test_a_worker_forgets_a_step_that_the_driver_is_in(local: Setting, pipeline_name: str) -> None:
    run, other = local.open(pipeline_name), local.open("other", tracker=local.make(experiment_name="other"))
    handed = other.handed_over(StepFacts("fit", "s1"))
    before = _environment()
    tracker = local.make()

    def work() -> tuple[dict[str, Any], bool, dict[str, str]]:
        joined = tracker.join(handed, lambda _: None)
        with joined.step(StepFacts("fit", "s1")) as step:
            mlflow.log_metric("m", 1)
        return step.metadata(), active.is_any(), _environment()

    with run.step(StepFacts("here", "s0")):
        link, is_any, after = in_child(work)
        mlflow.log_metric("mine", 1)
    assert (is_any, after) == (False, before)
    run.finish("completed")
    other.finish("completed")
    [mine], [theirs] = local.reader.runs(pipeline_name), local.reader.runs("other")
    assert (mine["metrics"], theirs["metrics"]) == ({"mine": 1}, {"m": 1})
    assert link["mlflow_run_id"] == theirs["info"]["run_id"]


def test_a_child_that_a_step_forks_itself_still_belongs_to_the_step(
    setting: Setting, pipeline_name: str
) -> None:
    run = setting.open(pipeline_name)
    with run.step(StepFacts("fit", "s1")):
        mlflow.log_metric("here", 1, synchronous=False)
        mlflow.flush_async_logging()  # a thread that talks to the server at the fork may hold a lock of a library's

        def work() -> None:
            mlflow.log_metric("there", 1)
            mlflow.log_metric("late", 1, synchronous=False)
            mlflow.flush_async_logging()

        in_child(work)
    run.finish("completed")
    [found] = setting.reader.runs(pipeline_name)
    assert found["metrics"] == {"here": 1, "there": 1, "late": 1}


def test_a_worker_sends_its_images_although_its_driver_has_a_queue_for_them(
    local: Setting, pipeline_name: str
) -> None:
    import numpy

    def drawn(key: str) -> None:
        image = numpy.zeros((9, 9, 3), numpy.uint8)
        mlflow.log_image(image, key=key, step=0, synchronous=False)

    run = local.open(pipeline_name)
    with run.step(StepFacts("here", "s0")):
        drawn("first")
    [worker] = start(run, local, step_of("there", lambda: drawn("second")))
    worker.result()
    run.finish("completed")
    for key in ("first", "second"):
        assert len(list((local.state_dir / "mlflow").rglob(f"{key}*.png"))) == 1


def test_a_child_outside_of_steps_starts_as_if_nothing_was_ever_tracked(
    local: Setting, pipeline_name: str, elsewhere: Any
) -> None:
    run = local.open(pipeline_name)
    before = _environment()

    def hold(inside: threading.Event, end: threading.Event) -> None:
        injection.enter(local.tracker.connection, "x")  # as a command that asks MLflow something
        inside.set()
        end.wait(PATIENCE)
        injection.leave()

    elsewhere(hold)
    assert _environment() != before

    def work() -> tuple[dict[str, str], bool, str]:
        return _environment(), injection.connection is None, mlflow.start_run.__code__.co_name

    assert in_child(work) == (before, True, "start_run")
    run.finish("completed")


def test_a_store_that_nobody_made_yet_is_made_once_by_workers_that_need_it_at_once(
    tmp_path: Any, pipeline_name: str, ready_store: Any
) -> None:
    from .conftest import LocalReader

    state_dir = tmp_path / "fresh" / ".mlx"
    setting = Setting("local", state_dir, LocalReader(state_dir / "mlflow" / "mlflow.db"), {})
    run = setting.open(pipeline_name)
    works = [step_of(f"fit{number}", lambda: mlflow.log_metric("m", 1), tracked=False) for number in range(3)]
    workers = start(run, setting, *works)
    assert len({worker.result()["mlflow_run_id"] for worker in workers}) == 1
    run.finish("completed")
    states = [
        (item["info"]["lifecycle_stage"], item["info"]["status"])
        for item in setting.reader.runs(pipeline_name)
    ]
    assert states.count(("active", "FINISHED")) == 1
    assert set(states) <= {("active", "FINISHED"), ("deleted", "KILLED")}
    assert not list((state_dir / "mlflow").glob("*.bak"))


def _open_files() -> list[str]:
    found = []
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        except OSError:
            continue
    return found
