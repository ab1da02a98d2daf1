"""Work on a real cluster: what comes back, what is heard meanwhile, what happens when a worker dies or the run ends."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mlxkit.errors import ConfigError, MlxError
from mlxkit.integrations.ray import stub
from mlxkit.integrations.ray.executor import RayExecutor
from mlxkit.stacks.executors import CancelledWorkError, Resources, WorkerLostError
from tests.fixtures.ray_cluster import RayCluster

from . import work
from .conftest import Started

CODE = b"code of the project"
PATIENCE = 120.0


def given(
    executor: RayExecutor, fn: Any, *args: Any, code: bytes = CODE, retries: int = 2, **more: Any
) -> Future[Any]:
    resources = more.pop("resources", Resources())
    return executor.submit(fn, (code, *args), resources=resources, retries=retries, label=fn.__name__, **more)


def test_work_is_done_heard_and_done_again_when_its_worker_dies(start: Started, tmp_path: Path) -> None:
    executor = start()
    nodes = executor.cluster_resources()
    assert [node["CPU"] for node in nodes] == [2.0, 2.0] and all(
        set(node) == {"CPU", "memory"} for node in nodes
    )

    many = [given(executor, work.echo, number) for number in range(500)]
    assert [one.result(PATIENCE) for one in many] == list(range(500))
    assert given(executor, work.count_code, code=b"x" * 300_000).result(PATIENCE) == 300_000

    heard: list[Any] = []
    talking = given(executor, work.talk, str(tmp_path), on_event=heard.append)
    until(lambda: any("from a child" in str(event) for event in heard))
    assert not talking.done() and heard[0] == ("started",)
    assert "".join(event[1] for event in heard[1:]) == "before\nfrom a child\n"
    (tmp_path / "heard").touch()
    assert talking.result(PATIENCE) == "done" and heard[-1] == ("noted", "after")

    def note(event: Any) -> None:
        (tmp_path / event[1]).touch()

    assert given(executor, work.know, str(tmp_path), on_event=note).result(PATIENCE) is True

    heard.clear()
    assert given(executor, work.die, 1, on_event=heard.append).result(PATIENCE) == 1
    assert heard == [
        ("output", "life 0\n"),
        ("tracker_run", "heard"),
        ("lost", "die: its worker process died"),
        ("output", "life 1\n"),
    ]
    with pytest.raises(WorkerLostError, match="its worker process died"):
        given(executor, work.die, 1, retries=0).result(PATIENCE)
    dying = [given(executor, work.die, 1), *(given(executor, work.echo, number) for number in range(50))]
    assert [one.result(PATIENCE) for one in dying] == [1, *range(50)]


def test_an_error_of_the_work_comes_back_as_data_without_its_secrets(start: Started) -> None:
    executor = start()
    with pytest.raises(ValueError, match="refused nothing"):
        given(executor, work.boom).result(PATIENCE)
    with pytest.raises(MlxError, match=r"ValueError: refused \*\*\*$"):
        given(executor, work.boom, secrets={"key": "letmein-94"}).result(PATIENCE)
    with pytest.raises(SystemExit):
        given(executor, work.leave).result(PATIENCE)
    assert given(executor, work.echo, 1).result(PATIENCE) == 1


def test_of_two_runs_at_once_in_a_process_one_is_refused_and_the_other_goes_on(start: Started) -> None:
    def begin(executor: RayExecutor) -> str:
        try:
            return str(given(executor, work.echo, "done").result(PATIENCE))
        except ConfigError as refused:
            return refused.message

    with ThreadPoolExecutor(2) as threads:
        said = sorted(threads.map(begin, [start(), start()]))
    assert said == ["Ray is connected in this process already, and has one connection at a time", "done"]


def test_work_that_comes_when_the_cluster_was_left_is_refused(start: Started) -> None:
    executor = start()
    assert given(executor, work.echo, 1).result(PATIENCE) == 1
    executor._connected()._inbox.put(("nonsense",))  # nothing that could be dealt with
    until(executor._connected()._left.is_set)
    with pytest.raises(MlxError, match="AttributeError"):
        given(executor, work.echo, 2).result(PATIENCE)


def test_a_cancelled_run_leaves_nothing_running(start: Started, tmp_path: Path) -> None:
    executor = start()
    works = [given(executor, work.hang, str(tmp_path)) for _ in range(8)]  # four of them wait for room
    until(lambda: len(list(tmp_path.iterdir())) == 8)
    executor.close(cancel=True)
    for one in works:
        with pytest.raises(CancelledWorkError):
            one.result(0)
    until(lambda: not any(Path("/proc", path.name).exists() for path in tmp_path.iterdir()))


def test_one_piece_of_work_is_stopped_and_the_others_go_on(start: Started, tmp_path: Path) -> None:
    executor = start()
    works = [given(executor, work.hang, str(tmp_path)) for _ in range(5)]  # one of them waits for room
    until(lambda: len(list(tmp_path.iterdir())) == 8)
    for one in (works[0], works[4]):
        assert one.cancel()
        with pytest.raises(CancelledWorkError):
            one.result(PATIENCE)
    assert given(executor, work.echo, "room").result(PATIENCE) == "room"
    assert not any(one.done() for one in works[1:4])
    until(lambda: sum(Path("/proc", path.name).exists() for path in tmp_path.iterdir()) == 6)


def test_the_project_travels_without_what_is_nobody_elses(start: Started, tmp_path: Path) -> None:
    for name in (
        "data/rows.csv",
        "helper.py",
        "mlx.yaml",
        ".env",
        ".env.local",
        ".mlx/history.db",
        ".venv/pip",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    where, files = given(start(ships_project=True), work.look).result(PATIENCE)
    assert where != str(tmp_path) and files == ["data/rows.csv", "helper.py"]


def test_workers_with_another_mlxkit_are_named(start: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stub, "__version__", "9.9.9")
    with pytest.raises(ConfigError, match="is version 0"):
        given(start(), work.echo, 1).result(PATIENCE)


def test_the_handlers_of_signals_and_the_environment_are_as_before(
    start: Started, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def mine(*_: object) -> None:
        """Do nothing."""

    monkeypatch.setenv("RAY_DEDUP_LOGS", "1")
    before = dict(os.environ), signal.signal(signal.SIGTERM, mine), signal.signal(signal.SIGINT, mine)
    try:
        executor = start()
        assert given(executor, work.die, 1).result(PATIENCE) == 1
        assert signal.getsignal(signal.SIGTERM) is mine and signal.getsignal(signal.SIGINT) is mine
        assert dict(os.environ) == before[0]
        executor.close()
    finally:
        signal.signal(signal.SIGTERM, before[1])
        signal.signal(signal.SIGINT, before[2])
    assert capfd.readouterr() == ("", "")


def test_ray_client_runs_work_as_well(start: Started, ray_cluster: RayCluster, tmp_path: Path) -> None:
    executor = start(address=ray_cluster.client)
    assert given(executor, work.echo, "from outside").result(PATIENCE) == "from outside"
    heard: list[Any] = []
    talking = given(executor, work.talk, str(tmp_path), on_event=heard.append)
    until(lambda: ("started",) in heard)
    (tmp_path / "heard").touch()
    assert talking.result(PATIENCE) == "done"
    assert given(executor, work.die, 1).result(PATIENCE) == 1


def until(is_so: Any) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)
