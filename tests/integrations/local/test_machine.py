"""What this machine has: affinity, limits of control groups of both versions, GPUs by each way of finding them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlxkit.integrations.local import machine


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Control groups that limit nothing yet."""
    monkeypatch.setattr(machine, "_CGROUPS", tmp_path)
    monkeypatch.setattr(machine, "_groups", lambda _controller: [tmp_path / "ours", tmp_path])
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(16)))
    (tmp_path / "ours").mkdir()
    return tmp_path


def test_the_affinity_counts(groups: Path) -> None:
    assert machine.usable_cpus() == 16


@pytest.mark.parametrize(
    ("text", "cpus"), [("max 100000", 16), ("250000 100000", 3), ("10000 100000", 1), ("6400000 100000", 16)]
)
def test_the_quota_of_version_2_counts(groups: Path, text: str, cpus: int) -> None:
    (groups / "ours" / "cpu.max").write_text(text)
    assert machine.usable_cpus() == cpus


def test_the_quota_of_a_group_above_counts(groups: Path) -> None:
    (groups / "ours" / "cpu.max").write_text("max 100000")
    (groups / "cpu.max").write_text("400000 100000")
    assert machine.usable_cpus() == 4


@pytest.mark.parametrize(("quota", "cpus"), [("-1", 16), ("150000", 2)])
def test_the_quota_of_version_1_counts(groups: Path, quota: str, cpus: int) -> None:
    (groups / "ours" / "cpu.cfs_quota_us").write_text(quota)
    (groups / "ours" / "cpu.cfs_period_us").write_text("100000")
    assert machine.usable_cpus() == cpus


@pytest.mark.parametrize("name", ["memory.max", "memory.limit_in_bytes"])
def test_the_memory_of_a_group_counts(groups: Path, name: str) -> None:
    (groups / "ours" / name).write_text(str(1 << 20))
    assert machine.this_machine() == {"CPU": 16.0, "memory": float(1 << 20)}


@pytest.mark.parametrize("text", ["max", str((1 << 63) - 4096), "nonsense"])
def test_no_limit_is_no_limit(groups: Path, text: str) -> None:
    before = machine.usable_memory()
    (groups / "ours" / "memory.max").write_text(text)
    assert machine.usable_memory() == before > 0


def test_the_groups_of_this_process_are_found() -> None:
    for folder in machine._groups("memory"):
        assert folder.is_relative_to("/sys/fs/cgroup")


@pytest.mark.parametrize(
    ("value", "names"),
    [("0,1", ["0", "1"]), (" GPU-a , MIG-b ", ["GPU-a", "MIG-b"]), ("", []), ("-1", []), ("NoDevFiles", [])],
)
def test_the_variable_says_which_gpus_there_are(
    monkeypatch: pytest.MonkeyPatch, value: str, names: list[str]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    assert machine.visible_gpus() == names


def test_gpus_are_counted_by_the_driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for name in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(machine, "_NVIDIA", tmp_path)
    assert machine.visible_gpus() == ["0", "1"]


@pytest.mark.parametrize(
    ("script", "names"),
    [("echo 'GPU 0: A (UUID: x)'; echo 'GPU 1: B (UUID: y)'; echo '  MIG z'", ["0", "1"]), ("exit 9", [])],
)
def test_gpus_are_counted_by_nvidia_smi(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, names: list[str]
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(machine, "_NVIDIA", tmp_path / "none")
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert machine.visible_gpus() == names


def test_a_machine_without_gpus_has_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(machine, "_NVIDIA", tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.visible_gpus() == []
