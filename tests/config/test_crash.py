"""The traceback of an unexpected error."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from mlxkit.config.crash import write_crash_log
from mlxkit.config.paths import user_data_dir


def test_it_is_kept_in_a_private_file() -> None:
    path = write_crash_log("Traceback: é\ud800")
    assert path.parent == user_data_dir() / "crashes"
    assert path.read_text() == "Traceback: é?"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_only_the_last_ones_are_kept() -> None:
    folder = write_crash_log("x").parent
    for number in range(30):
        (folder / f"19990101T0000{number:02d}-1.log").touch()
    newest = write_crash_log("y")
    assert len(list(folder.iterdir())) == 20
    assert newest.exists()


def test_a_home_that_cannot_be_written_does_not_hide_the_crash(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "file").touch()
    monkeypatch.setenv("MLX_HOME", str(home / "file"))
    path = write_crash_log("the crash")
    assert path.read_text() == "the crash"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.unlink()
