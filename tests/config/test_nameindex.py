"""The memory of names: fresh, small, whole, private, and never a reason to fail."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mlxkit.config import nameindex
from mlxkit.config.nameindex import add, forget, recall, remember
from tests.fixtures.read_only import set_writable


def test_the_newest_name_comes_first(tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        add(tmp_path, "runs", name)
    assert recall(tmp_path, "runs") == ["three", "two", "one"]


def test_a_list_is_recalled_as_it_was_remembered(tmp_path: Path) -> None:
    remember(tmp_path, "models", ["iris", "iris@production", "iris:2"])
    assert recall(tmp_path, "models") == ["iris", "iris@production", "iris:2"]
    add(tmp_path, "models", "iris:3")
    assert recall(tmp_path, "models")[0] == "iris:3"
    forget(tmp_path, "models", lambda name: name.startswith("iris:"))
    assert recall(tmp_path, "models") == ["iris", "iris@production"]


def test_nothing_is_written_that_is_written_already(tmp_path: Path) -> None:
    remember(tmp_path, "runs", ["b", "a"])
    path = tmp_path / "names" / "runs"
    before = path.stat()
    remember(tmp_path, "runs", ["b", "a"])
    add(tmp_path, "runs", "a")
    forget(tmp_path, "runs", lambda name: name == "z")
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_where_there_is_no_state_nothing_is_made(tmp_path: Path) -> None:
    state = tmp_path / ".mlx"
    add(state, "runs", "one")
    remember(state, "runs", ["one"])
    assert not state.exists()
    assert recall(state, "runs") == []


def test_only_the_user_can_read_it(tmp_path: Path) -> None:
    add(tmp_path, "runs", "one")
    assert stat.S_IMODE((tmp_path / "names").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "names" / "runs").stat().st_mode) == 0o600


def test_a_name_with_a_line_break_cannot_become_two(tmp_path: Path) -> None:
    remember(tmp_path, "runs", ["one\ntwo", "thr\x1b[31mee", "four"])
    assert recall(tmp_path, "runs") == ["four"]


def test_it_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nameindex, "_LARGEST", 1000)
    for number in range(500):
        add(tmp_path, "runs", f"run-{number:04d}")
    known = recall(tmp_path, "runs")
    assert known[0] == "run-0499"
    assert (tmp_path / "names" / "runs").stat().st_size < 1100
    assert known == sorted(known, reverse=True)
    remember(tmp_path, "models", [str(number) for number in range(5000)])
    assert len(recall(tmp_path, "models")) == 1000


def test_processes_that_add_at_once_lose_no_name(tmp_path: Path) -> None:
    add(tmp_path, "runs", "first")
    program = (
        "import sys; from mlxkit.config.nameindex import add\n"
        "for n in range(50): add(sys.argv[1], 'runs', f'{sys.argv[2]}-{n}')"
    )
    children = [subprocess.Popen([sys.executable, "-c", program, tmp_path, str(n)]) for n in range(4)]
    assert [child.wait() for child in children] == [0] * 4
    assert len(recall(tmp_path, "runs")) == 201


@pytest.mark.parametrize("planted", ["folder", "fifo", "garbage"])
def test_whatever_lies_there_nothing_is_raised(tmp_path: Path, planted: str) -> None:
    path = tmp_path / "names" / "runs"
    path.parent.mkdir()
    if planted == "folder":
        path.mkdir()
    elif planted == "fifo":
        os.mkfifo(path)
    else:
        path.write_bytes(b"\xff\xfe\x00\n" * 10)
    recall(tmp_path, "runs")
    add(tmp_path, "runs", "one")
    remember(tmp_path, "runs", ["one"])
    forget(tmp_path, "runs", lambda _: True)
    assert [file.name for file in path.parent.iterdir()] == ["runs"]


def test_a_planted_link_is_not_written_through(tmp_path: Path) -> None:
    state, target = tmp_path / ".mlx", tmp_path / "profile"
    (state / "names").mkdir(parents=True)
    target.write_text("mine\n")
    (state / "names" / "runs").symlink_to(target)
    assert recall(state, "runs") == []
    add(state, "runs", "one")
    add(state, "runs", "two")
    remember(state, "runs", ["three", "one"])
    assert target.read_text() == "mine\n"
    assert recall(state, "runs") == ["three", "one"]
    assert not (state / "names" / "runs").is_symlink()


def test_a_folder_that_is_a_link_is_neither_read_nor_written(tmp_path: Path) -> None:
    state, elsewhere = tmp_path / ".mlx", tmp_path / "elsewhere"
    state.mkdir()
    elsewhere.mkdir()
    (elsewhere / "runs").write_text("mine\n")
    (state / "names").symlink_to(elsewhere)
    assert recall(state, "runs") == []
    add(state, "runs", "one")
    remember(state, "models", ["one"])
    forget(state, "runs", lambda _: True)
    assert {file.name: file.read_text() for file in elsewhere.iterdir()} == {"runs": "mine\n"}


def test_a_planted_temporary_file_is_not_written_through(tmp_path: Path) -> None:
    target = tmp_path / "profile"
    target.write_text("mine\n")
    (tmp_path / "names").mkdir()
    (tmp_path / "names" / f"runs.{os.getpid()}.tmp").symlink_to(target)
    add(tmp_path, "runs", "one")
    assert target.read_text() == "mine\n"
    assert recall(tmp_path, "runs") == ["one"]


def test_a_pipe_that_somebody_reads_gets_nothing(tmp_path: Path) -> None:
    (tmp_path / "names").mkdir()
    path = tmp_path / "names" / "runs"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        add(tmp_path, "runs", "one")
        assert os.read(reader, 100) == b""
    finally:
        os.close(reader)
    assert recall(tmp_path, "runs") == ["one"]


def test_a_state_that_cannot_be_written_is_left_alone(tmp_path: Path) -> None:
    add(tmp_path, "runs", "one")
    set_writable(tmp_path, False)
    program = (
        "import ctypes, os, sys\n"
        "if os.geteuid() == 0:\n"
        "    libc = ctypes.CDLL(None); h, s = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()\n"
        "    libc.capget(h, s); s[0] &= ~0b110; s[1] &= ~0b110; libc.capset(h, s)\n"
        "assert not os.access(sys.argv[1], os.W_OK)\n"
        "from mlxkit.config.nameindex import add, remember, recall\n"
        "add(sys.argv[1], 'runs', 'two'); remember(sys.argv[1], 'models', ['m']); print(recall(sys.argv[1], 'runs'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=False
    )
    set_writable(tmp_path, True)
    assert (done.stdout, done.stderr, done.returncode) == ("['one']\n", "", 0)
