"""The generated files are those that the command tree gives, and a drift is named with what mends it."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from mlxkit.reference.__main__ import main
from mlxkit.reference.documents import documents, repository
from mlxkit.reference.readme import with_table
from mlxkit.reference.records import CommandEntry


def test_nothing_has_drifted(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--check"])
    assert code == 0, capsys.readouterr().err


def test_nothing_generated_names_a_path_of_this_machine() -> None:
    own = {
        str(repository()),
        sys.prefix,
        sys.base_prefix,
        str(Path(os.environ.get("HOME", "/root")).parent),
    } - {"/", "/usr"}
    own |= {str(Path("~root").expanduser()), tempfile.gettempdir()}
    found = [
        f"{path}: {mark}"
        for path, text in documents(repository()).items()
        if path != "README.md"
        for mark in own
        if f"{mark}/" in text
    ]
    assert not found, "\n".join(found)


@pytest.fixture
def tree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A source tree with fresh generated files."""
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(repository() / name, tmp_path / name)
    assert main(["--write", "--root", str(tmp_path)]) == 0
    capsys.readouterr()
    return tmp_path


def test_writing_again_changes_nothing(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in tree.rglob("*") if path.is_file()}
    assert main(["--write", "--root", str(tree)]) == 0
    assert {path: path.stat().st_mtime_ns for path in tree.rglob("*") if path.is_file()} == before
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "path", ["man/man1/mlx.1", "completions/mlx.fish", "README.md", "cli/mlxkit/completion/tree.py"]
)
def test_an_edit_is_named_with_the_command_that_mends_it(
    tree: Path, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    edited = tree / path
    text = edited.read_text()
    edited.write_text(text.replace("mlx", "mlz"))
    assert main(["--check", "--root", str(tree)]) == 1
    said = capsys.readouterr().err
    assert f"{path} is stale" in said and "python -m mlxkit.reference --write" in said
    if path == "README.md":
        return  # what stands outside the marks is somebody's own
    main(["--write", "--root", str(tree)])
    assert edited.read_text() == text
    assert main(["--check", "--root", str(tree)]) == 0


def test_a_page_of_a_command_that_is_gone_is_stale_and_removed(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = tree / "man/man1/mlx-gone.1"
    old.write_text(".TH GONE 1\n")
    assert main(["--check", "--root", str(tree)]) == 1
    assert "man/man1/mlx-gone.1 is stale" in capsys.readouterr().err
    main(["--write", "--root", str(tree)])
    assert not old.exists()


def test_outside_a_source_tree_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--write", "--root", str(tmp_path)]) == 1
    assert "not a source tree" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_readme_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="<!-- commands -->"):
        with_table("# mlx\n", CommandEntry((), "", ""))
