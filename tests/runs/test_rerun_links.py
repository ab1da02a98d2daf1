"""Reruns of code that is reached through symbolic links: what they lead to is never written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.runs.test_rerun import Project, project

__all__ = ["project"]

LINKED = """
    from pathlib import Path
    from mlxkit import pipeline, step
    from lib.mod import VALUE

    @step
    def load() -> int:
        return VALUE

    @pipeline
    def train() -> None:
        print("RESULT", int(load()), Path("lib/deep/numbers.txt").read_text())
"""


@pytest.mark.parametrize("is_relative", [True, False])
@pytest.mark.parametrize("with_git", [True, False])
def test_a_folder_behind_a_link_is_not_written_to(
    project: Project, tmp_path: Path, is_relative: bool, with_git: bool
) -> None:
    shared = tmp_path / "shared"
    (shared / "deep").mkdir(parents=True)
    (shared / "deep" / "numbers.txt").write_text("7")
    (shared / "mod.py").write_text("from lib.deep.more import MORE\nVALUE = MORE + 1\n")
    (shared / "deep" / "more.py").write_text("MORE = 1\n")
    target = os.path.relpath(shared, project.folder) if is_relative else shared
    (project.folder / "lib").symlink_to(target, target_is_directory=True)
    project.write("p.py", LINKED)
    if with_git:
        project.commit()
    run = project.run()
    now = {"mod.py": "VALUE = 50\n", "deep/more.py": "MORE = 60\n"}
    for name, text in now.items():
        (shared / name).write_text(text)
    said, result, _ = project.rerun(run, "--no-cache")
    assert said == "RESULT 2 7" and result["same_outputs"]
    assert {name: (shared / name).read_text() for name in now} == now
    assert sorted(path.name for path in shared.iterdir() if path.name != "__pycache__") == ["deep", "mod.py"]
    assert project.is_clean()


def test_a_file_behind_a_link_is_not_written_to(project: Project, tmp_path: Path) -> None:
    shared = tmp_path / "factor.py"
    shared.write_text("def factor(x): return x * 10\n")
    (project.folder / "helper.py").unlink()
    (project.folder / "helper.py").symlink_to(shared)
    project.write("untracked.txt", "x")
    project.commit()
    project.write("another.txt", "x")  # so that the state is not that of the commit, and all sources are kept
    run = project.run()
    shared.write_text("def factor(x): return x * 99\n")
    # Its key is another: what lay outside was a package by its version, and is now code of the tree.
    said, result, _ = project.rerun(run, "--no-cache", code=1)
    assert said == "RESULT 140" and result["same_outputs"]
    assert shared.read_text() == "def factor(x): return x * 99\n"


def test_a_link_inside_of_the_repository_stays_one(project: Project) -> None:
    project.write("src/mod.py", "VALUE = 3\n")
    project.write("src/deep/numbers.txt", "8")
    (project.folder / "lib").symlink_to("src", target_is_directory=True)
    project.write("p.py", LINKED)
    project.commit()
    project.write("another.txt", "x")
    run = project.run()
    project.write("src/mod.py", "VALUE = 4\n")
    said, result, _ = project.rerun(run, "--no-cache")
    assert said == "RESULT 3 8" and result["same_outputs"]
    assert (project.folder / "src" / "mod.py").read_text() == "VALUE = 4\n"


def test_data_is_not_copied_through_a_link_of_the_commit(project: Project, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (project.folder / "data").symlink_to(shared, target_is_directory=True)
    project.commit()
    run = project.run()
    (project.folder / "data").unlink()
    project.write("data/new.txt", "of now")
    project.rerun(run, "--no-cache")
    assert not list(shared.iterdir())


def test_a_write_through_a_linked_folder_is_said(project: Project, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    (shared / "deep").mkdir(parents=True)
    (project.folder / "data").symlink_to(shared, target_is_directory=True)
    project.write(".gitignore", "data\n")
    project.write(
        "script.py",
        "import sys\nfrom pathlib import Path\nif Path('data/go').exists(): Path('data/deep/out').touch()\n",
    )
    project.commit()
    run = project.run("script.py")
    assert "wrote to" not in project.rerun(run)[2]
    (shared / "go").touch()
    assert f"the rerun wrote to {project.folder.resolve() / 'data'}" in project.rerun(run)[2]
