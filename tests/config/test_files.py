"""Files are either the old or the new one, whatever happens in between."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlxkit.config.files import NotWritableError, make_private_dir, remove_leftovers, write_atomic

OLD = b"old\n"


@pytest.fixture
def old() -> Path:
    path = Path("file")
    path.write_bytes(OLD)
    return path.absolute()


def test_content_and_mode_are_what_was_asked_whatever_the_umask(old: Path) -> None:
    before = os.umask(0o077)
    try:
        write_atomic(old, b"new\n", mode=0o664)
    finally:
        os.umask(before)
    assert old.read_bytes() == b"new\n"
    assert stat.S_IMODE(old.stat().st_mode) == 0o664
    assert os.listdir() == ["file"]


def test_a_new_file_is_private() -> None:
    write_atomic(Path("state"), b"x")
    assert stat.S_IMODE(Path("state").stat().st_mode) == 0o600


FULL_DISK = """
import resource, sys
from pathlib import Path
from mlxkit.config.files import NotWritableError, write_atomic
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_atomic(Path(sys.argv[1]), b"x" * 5000)
except NotWritableError as error:
    sys.exit(error.message)
"""


def test_a_full_disk_leaves_the_old_file_and_no_litter(old: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(old)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == f"cannot write {old}: File too large; nothing was changed\n"
    assert old.read_bytes() == OLD
    assert os.listdir() == ["file"]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


READ_ONLY = """
import os, sys
from pathlib import Path
from mlxkit.config.files import NotWritableError, write_atomic
if os.getuid() == 0:
    os.setuid(65534)  # root may write anywhere
try:
    write_atomic(Path(sys.argv[1]), b"new")
except NotWritableError as error:
    sys.exit(error.message)
"""


def test_a_read_only_folder_is_said_and_the_file_stays(open_folder: Path) -> None:
    path = open_folder / "file"
    path.write_bytes(OLD)
    path.chmod(0o444)
    open_folder.chmod(0o555)
    done = subprocess.run(
        [sys.executable, "-c", READ_ONLY, str(path)], capture_output=True, text=True, check=False
    )
    open_folder.chmod(0o755)
    assert done.stderr == f"cannot write {path}: Permission denied; nothing was changed\n"
    assert path.read_bytes() == OLD


def test_what_killed_writers_left_is_removed_and_nothing_else() -> None:
    for name in (".mlx.yaml.0a1b2c.tmp", ".other.yaml.0a1b2c.tmp", "mlx.yaml", ".mlx.yaml.notes"):
        Path(name).touch()
    remove_leftovers(Path("mlx.yaml").absolute())
    assert sorted(os.listdir()) == [".mlx.yaml.notes", ".other.yaml.0a1b2c.tmp", "mlx.yaml"]


def test_private_folders_are_private() -> None:
    made = make_private_dir(Path("a/b").absolute())
    assert stat.S_IMODE(made.stat().st_mode) == 0o700


def test_a_file_where_a_folder_has_to_be_is_said(old: Path) -> None:
    with pytest.raises(NotWritableError, match="cannot make the folder"):
        make_private_dir(old / "inner")


def test_folders_that_are_made_on_the_way_are_private_and_those_that_were_there_are_left(
    home: Path,
) -> None:
    (home / "old").mkdir(mode=0o755)
    (home / "old").chmod(0o755)
    make_private_dir(home / "old" / "a" / "b" / "c")
    modes = [stat.S_IMODE((home / "old" / path).stat().st_mode) for path in ("", "a", "a/b", "a/b/c")]
    assert modes == [0o755, 0o700, 0o700, 0o700]
