"""A secret that work uses on a real cluster is in none of the places where Ray keeps or shows what it knows."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlxkit.errors import MlxError
from mlxkit.stacks.executors import Resources
from tests.fixtures.ray_cluster import RayCluster, files_below

from . import work
from .conftest import ROOT, Started

SECRET = "canary-of-a-step-7d1c90b2"
KNOWN = "what-everybody-may-see-41aa"  # this one is given in a way that shows: the search has to find it
PATIENCE = 120.0
PAGES = (
    "/api/jobs/", "/api/v0/tasks?detail=1&limit=10000", "/api/v0/actors?detail=1&limit=10000",
    "/api/v0/objects?detail=1&limit=10000", "/api/v0/workers?detail=1&limit=10000", "/api/v0/runtime_envs?detail=1",
    "/api/v0/tasks/summarize", "/logical/actors", "/nodes?view=summary", "/events",
)  # fmt: skip


def test_a_secret_is_nowhere_on_the_cluster(start: Started, ray_cluster: RayCluster) -> None:
    executor = start(env_vars={"PYTHONPATH": str(ROOT), "SHOWN": KNOWN})
    heard: list[str] = []
    given = {"key": SECRET}

    def submit(fn: object, *args: object, label: str) -> object:
        return executor.submit(
            fn, (b"code", *args), resources=Resources(), retries=1, label=label, secrets=given,  # type: ignore[arg-type]
            on_event=lambda event: heard.append(str(event)),
        )  # fmt: skip

    works = [submit(work.use, label="use") for _ in range(4)]
    found_meanwhile = list(places_of(SECRET, ray_cluster))
    assert [one.result(PATIENCE) for one in works] == [len(SECRET)] * 4  # type: ignore[attr-defined]
    with pytest.raises(MlxError) as refused:
        submit(work.boom, label="boom").result(PATIENCE)  # type: ignore[attr-defined]
    assert submit(work.die, 1, label="die").result(PATIENCE) == 1  # type: ignore[attr-defined]
    with full_store(ray_cluster):
        assert list(places_of(SECRET, ray_cluster)) == []
    assert found_meanwhile == []
    assert SECRET not in str(refused.value) and not any(SECRET in event for event in heard)
    assert any("written ***" in event for event in heard)  # what C code prints is heard, and masked
    shown = list(places_of(KNOWN, ray_cluster))
    assert any(place.startswith("/proc") for place in shown) and any("/api/" in place for place in shown), (
        shown
    )


def places_of(text: str, cluster: RayCluster) -> Iterator[str]:
    """Search the session's folder, the state API and the dashboard, and every process of the cluster."""
    wanted = text.encode()
    yield from (path for path, content in files_below(cluster.folder) if wanted in content)
    answered = 0
    for page in PAGES:
        try:
            with urllib.request.urlopen(cluster.dashboard + page, timeout=PATIENCE) as answer:
                content = answer.read()
        except urllib.error.HTTPError as error:
            content = error.read()
        else:
            answered += 1
        if wanted in content:
            yield page
    assert answered >= 7
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            # A child that is given a secret in its own environment is the doing of the step.
            if wanted in (process / "cmdline").read_bytes():
                yield f"{process}/cmdline"
            environment = (process / "environ").read_bytes()
            if wanted in environment and b"GIVEN=" not in environment:
                yield f"{process}/environ"


@contextlib.contextmanager
def full_store(cluster: RayCluster) -> Iterator[None]:
    """Have Ray spill what it holds onto the disk meanwhile, from a process of its own."""
    program = (
        "import ray, sys\n"
        "ray.init(sys.argv[1], log_to_driver=False, logging_level='ERROR')\n"
        "held = [ray.put(bytes(10 * 2**20)) for _ in range(24)]\n"
        "print('full', flush=True)\n"
        "sys.stdin.read()\n"
    )
    environment = {**os.environ, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}
    filling = subprocess.Popen(
        [sys.executable, "-c", program, cluster.address],
        env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert filling.stdout is not None
    try:
        assert filling.stdout.readline() == b"full\n"
        assert any("ray_spilled_objects" in where for where, _, names in os.walk(cluster.folder) if names)
        yield
    finally:
        filling.communicate(timeout=PATIENCE)
