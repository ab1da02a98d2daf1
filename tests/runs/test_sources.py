"""Sources that are kept: once each, privately, within limits."""

from __future__ import annotations

import stat
import sys
from pathlib import Path
from types import ModuleType

import pytest

from mlxkit.runs import sources
from mlxkit.runs.sources import SourceKeeper, get, put


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def imported(monkeypatch: pytest.MonkeyPatch, file: Path, text: str = "x = 1\n") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    module = ModuleType(f"imported_{file.stem}")
    module.__file__ = str(file)
    monkeypatch.setitem(sys.modules, module.__name__, module)


def test_a_content_is_kept_once_and_checked_when_it_is_read(tmp_path: Path) -> None:
    digest = put(tmp_path / "sources", b"x = 1\n")
    assert put(tmp_path / "sources", b"x = 1\n") == digest and get(tmp_path, digest) == b"x = 1\n"
    (file,) = [path for path in (tmp_path / "sources").rglob("*") if path.is_file()]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_bytes(b"x = 2\n")
    assert get(tmp_path, digest) is None and get(tmp_path, "0" * 64) is None


def test_only_own_files_are_kept_and_those_of_later_are_added(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_file = root / "p.py"
    run_file.write_text("pass\n")
    for name in ("a.py", "pkg/b.py", ".venv/lib/site-packages/c.py", "state/reruns/d.py"):
        imported(monkeypatch, root / name)
    imported(monkeypatch, tmp_path / "elsewhere.py")
    keeper = SourceKeeper(root / "state", root, run_file, {})
    first = keeper.keep()
    assert set(first["sources"]) == {"p.py", "a.py", "pkg/b.py"} and first["base"] == str(root.resolve())
    assert keeper.keep() == {}, "nothing is new"
    imported(monkeypatch, root / "late.py", "y = 2\n")
    assert set(keeper.keep()["sources"]) == {"p.py", "a.py", "pkg/b.py", "late.py"}


def test_what_is_too_large_is_named_instead(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "FILE_LIMIT", 10)
    imported(monkeypatch, root / "small.py")
    imported(monkeypatch, root / "large.py", "x = 1\n" * 10)
    said = SourceKeeper(root / ".mlx", root, None, {}).keep()
    assert set(said["sources"]) == {"small.py"} and said["not_kept"] == ["large.py"]


def test_a_store_that_cannot_be_written_ends_no_run(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imported(monkeypatch, root / "a.py")
    (root / ".mlx").write_text("a file where the folder should be")
    said = SourceKeeper(root / ".mlx", root, None, {}).keep()
    assert said["sources"] == {} and said["not_kept"] == ["a.py"]
