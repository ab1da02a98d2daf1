"""Workers and the process that they belong to: its death, Ctrl-C, what they take over from it and what not."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlxkit.integrations.local.workers.fork_safety import others_stand_still
from tests.integrations.local.conftest import PATIENCE, is_running, wait_for

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[3]
Drive = Callable[..., subprocess.Popen[str]]


@pytest.fixture(params=["fork", "spawn"])
def start(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def drive(monkeypatch: pytest.MonkeyPatch) -> Iterator[Drive]:
    """Start drivers; none is left afterwards."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    started: list[subprocess.Popen[str]] = []

    def begin(scene: str, *args: str, start: str = "fork", **given: Any) -> subprocess.Popen[str]:
        monkeypatch.setenv("MLX_WORKER_START", start)
        command = [sys.executable, "-m", "tests.integrations.local.driver", scene, *args]
        started.append(
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True, **given)
        )
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def told(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, f"the driver ended with {process.wait(PATIENCE)}"
    return json.loads(line)


def family(process: int) -> set[int]:
    """Return the processes that came from one, as the system shows them now."""
    found, parents = {process}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {process}


def test_kill_of_the_driver_leaves_nothing(drive: Drive, start: str, tmp_path: Path) -> None:
    file = tmp_path / "children"
    driver = drive("stays", str(file), start=start)
    assert told(driver) == ["ready"]
    processes = family(driver.pid) | set(json.loads(file.read_text()))
    assert len(processes) >= 10
    driver.kill()
    wait_for(lambda: not [process for process in processes if is_running(process)], "the end of all")


def test_an_end_without_close_leaves_nothing(drive: Drive, start: str) -> None:
    driver = drive("ends_without_close", start=start)
    (worker,) = told(driver)
    assert driver.wait(PATIENCE) == 0
    wait_for(lambda: not is_running(int(worker)))


def test_ctrl_c_reaches_the_driver_only(drive: Drive, start: str, tmp_path: Path) -> None:
    """As a terminal does it: SIGINT to the whole group of the driver."""
    file = tmp_path / "children"
    driver = drive("stays", str(file), start=start)
    assert told(driver) == ["ready"]
    processes = family(driver.pid) | set(json.loads(file.read_text()))
    assert not [process for process in processes if os.getpgid(process) == driver.pid]
    os.killpg(driver.pid, signal.SIGINT)
    assert told(driver) == ["closed", 2]
    assert driver.wait(PATIENCE) == 130
    assert (tmp_path / "children.cleaned").read_text() == "cleaned"
    wait_for(lambda: not [process for process in processes if is_running(process)], "the end of all")


def test_a_second_ctrl_c_ends_it_without_grace(drive: Drive) -> None:
    driver = drive("interrupted_twice")
    assert told(driver) == ["interrupted", True, "CancelledWorkError"]
    assert driver.wait(PATIENCE) == 0


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
def test_openmp_works_in_workers_after_the_driver_used_it(drive: Drive, tmp_path: Path) -> None:
    source = tmp_path / "sum.c"
    source.write_text(
        "long sum_to(long n) {\n"
        "  long s = 0;\n"
        "  #pragma omp parallel for reduction(+:s) num_threads(4)\n"
        "  for (long i = 0; i < n; i++) s += i;\n"
        "  return s;\n}\n"
    )
    library = tmp_path / "libsum.so"
    subprocess.run(["gcc", "-fopenmp", "-shared", "-fPIC", "-o", library, source], check=True)
    driver = drive("openmp", str(library))
    (sums,) = told(driver)
    assert len(sums) == 5
    assert len(set(sums)) == 1
    assert driver.wait(PATIENCE) == 0


def test_locks_and_connections_of_the_driver_stay_its_own(drive: Drive, tmp_path: Path) -> None:
    driver = drive("holds", str(tmp_path))
    assert told(driver) == [True, True]
    assert driver.wait(PATIENCE) == 0


def test_a_worker_starts_clean(drive: Drive, start: str) -> None:
    ours, theirs = pty.openpty()
    os.write(ours, b"typed by somebody\n")
    driver = drive("around", start=start, stdin=theirs)
    os.close(theirs)
    assert told(driver) == ["once"]  # what was unflushed at the fork is not written twice
    (found,) = told(driver)
    assert driver.stdout is not None
    assert driver.stdout.read() == ""
    os.close(ours)
    assert found.pop("group") == found["pid"]
    assert found.pop("session") not in found.pop("theirs")
    assert found.pop("pid") != driver.pid
    assert found == {
        "stdin": "",
        "terminal": False,
        "path": True,
        "SIGTERM": True,
        "SIGINT": True,
        "blocked": 0,
        "warm": start == "fork",
    }


def test_a_copy_is_not_made_while_the_main_thread_is_in_user_code(
    drive: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = drive("elsewhere")
    assert told(driver) == [False]
    assert driver.wait(PATIENCE) == 0


def test_a_copy_is_not_made_while_another_thread_runs(drive: Drive) -> None:
    driver = drive("beside", start="")
    assert told(driver) == [False]
    assert driver.wait(PATIENCE) == 0


def test_a_thread_that_sleeps_is_in_nobodys_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLX_WORKER_START", "")
    is_over = threading.Event()

    def rest() -> None:
        while not is_over.is_set():
            time.sleep(0.2)

    thread = threading.Thread(target=rest)
    thread.start()
    try:
        wait_for(lambda: others_stand_still(threading.get_ident()))
    finally:
        is_over.set()
        thread.join()


def test_secrets_cannot_be_seen_from_outside(drive: Drive, start: str, tmp_path: Path) -> None:
    file = tmp_path / "value"
    file.write_text("canary-" + os.urandom(8).hex())
    driver = drive("secret", str(file), start=start)
    (found,) = told(driver)
    assert len(found) == 4
    assert set(found.values()) == {"False"}
    assert driver.wait(PATIENCE) == 0
    places = (tmp_path, Path.home())
    everything = [path for place in places for path in place.rglob("*") if path.is_file() and path != file]
    assert not [path for path in everything if file.read_bytes() in path.read_bytes()]
