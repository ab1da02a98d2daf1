"""Writing mlx.yaml: exactly the change that was meant, under a lock, or nothing at all."""

from __future__ import annotations

import os
import random
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlxkit.config.document import read_config
from mlxkit.config.paths import find_project, lock_path
from mlxkit.config.writer import create, edit
from mlxkit.errors import AlreadyExistsError, ConfigError, MlxError

TEXT = """\
# ours
version: 1
stacks:
  team: {orchestrator: local}  # everybody
"""


@pytest.fixture
def path() -> Path:
    Path("mlx.yaml").write_text(TEXT)
    return Path("mlx.yaml").absolute()


def add(name: str) -> None:
    with edit(find_project()) as editor:
        editor.put(("stacks", name), {})


def test_a_change_is_the_only_change(path: Path) -> None:
    add("new")
    assert path.read_text() == TEXT + "  new: {}\n"


def test_no_change_does_not_touch_the_file(path: Path) -> None:
    before = path.stat()
    with edit(find_project()):
        pass
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_the_first_write_makes_the_users_own_file(home: Path) -> None:
    add("new")
    path = home / ".config/mlx/mlx.yaml"
    assert path.read_text() == "version: 1\nstacks:\n  new: {}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_nothing_but_the_file_and_the_state_folder_appears(path: Path) -> None:
    add("new")
    assert sorted(os.listdir()) == [".mlx", "mlx.yaml"]
    assert lock_path(find_project()).parent == path.parent / ".mlx"


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664])
def test_the_mode_of_the_file_stays(path: Path, mode: int) -> None:
    path.chmod(mode)
    add("new")
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_link_stays_a_link_and_its_target_is_written(home: Path) -> None:
    target = home / "dotfiles" / "team.yaml"
    target.parent.mkdir()
    target.write_text(TEXT)
    Path("mlx.yaml").symlink_to(target)
    add("new")
    assert Path("mlx.yaml").is_symlink()
    assert target.read_text() == TEXT + "  new: {}\n"


def test_a_byte_order_mark_stays() -> None:
    Path("mlx.yaml").write_bytes(b"\xef\xbb\xbf" + TEXT.encode())
    add("new")
    assert Path("mlx.yaml").read_bytes() == b"\xef\xbb\xbf" + TEXT.encode() + b"  new: {}\n"


@pytest.mark.parametrize(
    "broken", ["stacks: [\n", "stacks: {a: {orchestrator: gone}}\n", "version: 9\n", "who: knows\n"]
)
def test_a_broken_file_is_never_written_over(path: Path, broken: str) -> None:
    path.write_text(broken)
    with pytest.raises(ConfigError, match=r"^mlx.yaml:1: "):
        add("new")
    assert path.read_text() == broken


def test_what_cannot_be_read_is_not_written(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("mlx.yaml").symlink_to("mlx.yaml")
    with pytest.raises(ConfigError, match="Too many levels of symbolic links"):
        add("new")
    monkeypatch.setenv("MLX_CONFIG", str(home / "typo" / "mlx.yaml"))
    with pytest.raises(ConfigError, match="MLX_CONFIG names"):
        add("new")
    assert not (home / "typo").exists()


def test_a_change_that_would_break_the_file_is_refused(path: Path) -> None:
    with pytest.raises(ConfigError, match="no orchestrator named 'gone'"):
        with edit(find_project()) as editor:
            editor.put(("stacks", "team", "orchestrator"), "gone")
    assert path.read_text() == TEXT


def test_an_error_while_editing_changes_nothing(path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        with edit(find_project()) as editor:
            editor.put(("stacks", "new"), {})
            1 / 0
    assert path.read_text() == TEXT


def test_a_change_that_would_reach_further_through_an_alias_is_refused(path: Path) -> None:
    text = "experiment_trackers:\n  a: &a {flavor: mlflow}\n  b: *a\n"
    path.write_text(text)
    with pytest.raises(ConfigError, match="cannot be changed here without changing more"):
        with edit(find_project()) as editor:
            editor.put(("experiment_trackers", "b", "nested"), True)
    assert path.read_text() == text


def test_beside_an_alias_a_change_is_fine(path: Path) -> None:
    text = "experiment_trackers:\n  a: &a {flavor: mlflow}\n  b: *a\n"
    path.write_text(text)
    add("new")
    assert path.read_text() == text + "stacks:\n  new: {}\n"


def test_a_full_disk_leaves_the_file_as_it_was(path: Path) -> None:
    program = (
        "import resource, sys\n"
        "from mlxkit.config.writer import edit\n"
        "from mlxkit.config.paths import find_project\n"
        "from mlxkit.errors import MlxError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (60, 60))\n"
        "try:\n"
        "    with edit(find_project()) as editor:\n"
        "        editor.put(('stacks', 'x' * 90), {})\n"
        "except MlxError as error:\n"
        "    sys.exit(error.message)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr == f"cannot write {path}: File too large; nothing was changed\n"
    assert path.read_text() == TEXT
    assert sorted(os.listdir()) == [".mlx", "mlx.yaml"]


def test_a_configuration_is_only_created_where_there_is_none(path: Path) -> None:
    with pytest.raises(AlreadyExistsError, match="already exists"):
        create(find_project(), b"version: 1\n")
    assert path.read_text() == TEXT


WRITER = """
import sys, time
from mlxkit.config.paths import find_project
from mlxkit.config.writer import edit
for number in range(10_000):
    with edit(find_project()) as editor:
        editor.put(("stacks", f"{sys.argv[1]}-{number}"), {"orchestrator": "local"})
        if number > 20:
            editor.remove(("stacks", f"{sys.argv[1]}-{number - 20}"))
    print(number, flush=True)
    time.sleep(0.005)
"""


@pytest.mark.integration
def test_twenty_five_kills_in_the_middle_of_writing_lose_nothing_that_was_acknowledged(path: Path) -> None:
    dice = random.Random(7)
    for life in range(25):
        path.write_text(TEXT)
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", WRITER, f"w{life}{side}"], stdout=subprocess.PIPE, text=True
            )
            for side in "ab"
        ]
        acknowledged = []
        for writer in writers:
            assert writer.stdout is not None
            writer.stdout.readline()
        time.sleep(dice.uniform(0, 0.15))
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
        for writer, side in zip(writers, "ab", strict=True):
            assert writer.stdout is not None
            written = [0, *(int(line) for line in writer.stdout.read().split())]
            writer.wait()
            writer.stdout.close()
            acknowledged.append((f"w{life}{side}", written[-1]))
        stacks = read_config(find_project()).stacks
        for name, last in acknowledged:
            mine = {int(stack.rpartition("-")[2]) for stack in stacks if stack.startswith(f"{name}-")}
            assert set(range(max(0, last - 19), last + 1)) - mine <= {last - 19}, (name, last, mine)
        assert path.read_text().startswith(
            "# ours\nversion: 1\nstacks:\n  team: {orchestrator: local}  # everybody\n"
        )
    add("after")
    assert sorted(os.listdir()) == [".mlx", "mlx.yaml"]


def test_a_lock_that_is_held_is_reported(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlxkit.config import writer
    from mlxkit.config.locks import file_lock

    monkeypatch.setattr(writer, "file_lock", lambda lock: file_lock(lock, timeout=0.1))
    with edit(find_project()), pytest.raises(MlxError, match="another process has held"):
        add("new")
    assert path.read_text() == TEXT
