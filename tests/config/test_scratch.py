"""Folders that go with their process, however that ends."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

from mlxkit.config.scratch import remove_folder, scratch_folder

DIES = """
import os, sys
from mlxkit.config.scratch import scratch_folder
(scratch_folder(sys.argv[1]) / "kept").touch()
os._exit(0)
"""


def test_a_folder_is_private_and_one_whose_process_was_killed_is_swept_with_the_next() -> None:
    what = f"test{os.getpid()}"
    mine = scratch_folder(what)
    try:
        assert stat.S_IMODE(mine.stat().st_mode) == 0o700
        subprocess.run([sys.executable, "-c", DIES, what], check=True)
        left = {path for path in mine.parent.glob(f"mlx-{what}-*") if path != mine}
        assert len(left) == 1
        again = scratch_folder(what)
        assert set(mine.parent.glob(f"mlx-{what}-*")) == {mine, again}
        remove_folder(again)
    finally:
        remove_folder(mine)
