"""Runs whose cluster breaks: what is done again, what ends, and what history says; `mlx run` as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlxkit.errors import ExitCode
from tests.fixtures.ray_cluster import RayCluster, started_cluster

FLOW = """
import os, signal, subprocess, sys, time
from pathlib import Path
from mlxkit import pipeline, step
HERE = Path({folder!r})

def note(what: str) -> None:
    (HERE / f"{{what}}-{{os.getpid()}}").touch()

@step
def hold(i: int) -> int:
    note(f"begun-{{i}}")
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (HERE / f"child-{{i}}-{{child.pid}}").touch()
    while not (HERE / "go").exists():
        time.sleep(0.1)
    child.kill()
    return i

@step
def dies_once() -> int:
    if not (HERE / "died").exists():
        (HERE / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 7

@step
def total(values: list) -> int:
    return sum(values)

@pipeline
def four() -> None:
    total([hold(i) for i in range(4)])

@pipeline
def one() -> None:
    total([dies_once()])
"""
# The same command line; an orphan, whose head is to be killed, does not wait for it as long.
IMPATIENT = """
import os, sys
if "--orphan" in sys.argv:  # as after nohup, or below systemd: nobody is there to be told of its end
    sys.argv.remove("--orphan")
    if os.fork():
        os._exit(0)
    from mlxkit.integrations.ray import watch
    watch.GONE_AFTER, watch.PACE = 3.0, 0.5
from mlxkit.commands.app import main
sys.exit(main(sys.argv[1:]))
"""
PATIENCE = 180.0


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[[RayCluster, str], subprocess.Popen[bytes]]]:
    """Begin a run of a pipeline on a cluster."""
    begun: list[subprocess.Popen[bytes]] = []

    def begin_one(cluster: RayCluster, name: str, *more: str) -> subprocess.Popen[bytes]:
        (tmp_path / "mlx.yaml").write_text(
            "version: 1\ndefault_stack: far\n"
            f"orchestrators:\n  cluster: {{flavor: ray, address: '{cluster.address}'}}\n"
            "stacks:\n  far: {orchestrator: cluster}\n"
        )
        (tmp_path / "flow.py").write_text(FLOW.format(folder=str(tmp_path)))
        with (tmp_path / "said").open("w") as said:
            begun.append(
                subprocess.Popen(
                    [sys.executable, "-c", IMPATIENT, "run", f"flow.py:{name}", "--no-cache", *more],
                    cwd=tmp_path,
                    stdout=said,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )
        return begun[-1]

    yield begin_one
    for process in begun:
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE)


@pytest.fixture(scope="module")
def mortal() -> Iterator[RayCluster]:
    """A cluster whose nodes are killed."""
    pytest.importorskip("ray", reason="ray is not installed")
    with started_cluster() as cluster:
        yield cluster


def test_a_step_whose_worker_was_killed_is_done_by_another(
    ray_cluster: RayCluster, begin: Any, tmp_path: Path, mlx: Any
) -> None:
    run = begin(ray_cluster, "one")
    said = ended(run, tmp_path)
    assert run.returncode == ExitCode.ok, said
    assert "its worker process died; trying again" in said
    steps = described(mlx, tmp_path)["steps"]
    assert [(item["name"], item["status"], item["attempts"]) for item in steps] == [
        ("dies_once", "completed", 2),
        ("total", "completed", 1),
    ]


def test_ctrl_c_ends_everything(ray_cluster: RayCluster, begin: Any, tmp_path: Path, mlx: Any) -> None:
    run = begin(ray_cluster, "four")
    until(
        lambda: (
            len(list(tmp_path.glob("child-*"))) == 4 and (tmp_path / "said").read_text().count("started") == 5
        ),
        run,
    )
    os.kill(run.pid, signal.SIGINT)
    said = ended(run, tmp_path)
    assert run.returncode == ExitCode.interrupted, said
    until(lambda: not living(tmp_path))
    found = described(mlx, tmp_path)
    assert found["status"] == "killed"
    assert {
        item["name"]: item["status"] for item in found["steps"] if item["name"] != "total"
    } == dict.fromkeys(("hold", "hold_2", "hold_3", "hold_4"), "killed")


def test_a_node_is_killed_then_the_head(mortal: RayCluster, begin: Any, tmp_path: Path, mlx: Any) -> None:
    run = begin(mortal, "four")
    until(lambda: len(list(tmp_path.glob("child-*"))) == 4, run)
    mortal.kill_node("node1")
    (tmp_path / "go").touch()
    said = ended(run, tmp_path)
    assert run.returncode == ExitCode.ok, said
    assert said.count("its node died; trying again") == 2, said
    assert sorted(item["attempts"] for item in described(mlx, tmp_path)["steps"]) == [1, 1, 1, 2, 2]

    for path in (*tmp_path.glob("child-*"), *tmp_path.glob("begun-*"), tmp_path / "go"):
        path.unlink()
    begin(mortal, "four", "--orphan")
    until(lambda: len(list(tmp_path.glob("child-*"))) == 2)  # what is left has room for two
    mortal.kill_node("head")
    until(lambda: "see: mlx runs describe" in (tmp_path / "said").read_text())
    said = (tmp_path / "said").read_text()
    assert "the head of the cluster does not answer any more" in said and "Traceback" not in said
    found = described(mlx, tmp_path)
    assert found["status"] == "failed"
    assert {item["status"] for item in found["steps"]} == {"failed", "skipped"}


def ended(run: subprocess.Popen[bytes], folder: Path) -> str:
    run.wait(PATIENCE)
    return (folder / "said").read_text()


def living(folder: Path) -> list[str]:
    """Return which of the processes that steps noted are still there."""
    names = [path.name for path in (*folder.glob("begun-*"), *folder.glob("child-*"))]
    return [name for name in names if Path("/proc", name.rpartition("-")[2]).exists()]


def described(mlx: Any, folder: Path) -> Any:
    os.chdir(folder)
    result = mlx("runs", "describe", "latest", "-o", "json")
    assert result.code == ExitCode.ok, result.stderr
    return json.loads(result.stdout)


def until(is_so: Callable[[], bool], run: subprocess.Popen[bytes] | None = None) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline
        assert run is None or run.poll() is None, "the run has ended"
        time.sleep(0.05)
