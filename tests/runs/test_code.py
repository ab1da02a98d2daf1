"""The code of a run, from real repositories."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlxkit.runs.code import DIFF_LIMIT, capture_code


def git(folder: Path, *arguments: str) -> str:
    identity = [
        "-c",
        "user.name=t",
        "-c",
        "user.email=t@example.com",
        "-c",
        "commit.gpgsign=false",
        "-c",
        "init.defaultBranch=main",
    ]
    done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "train.py").write_text("x = 1\n")
    (folder / ".gitignore").write_text("*.log\n")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


def test_a_clean_repository_is_its_commit(repository: Path) -> None:
    found = capture_code(repository)
    assert found == {
        "root": str(repository), "commit": git(repository, "rev-parse", "HEAD"), "branch": "main",
        "dirty": False, "diff": "", "untracked": [], "is_exact": True, "is_whole": True,
    }  # fmt: skip
    assert json.loads(json.dumps(found)) == found


def test_a_repository_is_found_from_a_folder_inside_it(repository: Path) -> None:
    (repository / "a" / "b").mkdir(parents=True)
    assert capture_code(repository / "a" / "b")["root"] == str(repository)


def test_no_repository_is_no_code_and_starts_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", None)
    assert capture_code(tmp_path) == {}


def test_the_diff_brings_back_what_was_not_committed(repository: Path, tmp_path: Path) -> None:
    (repository / "train.py").write_text("x = 2  # ü\n")
    (repository / "data.bin").write_bytes(bytes(range(256)) * 4)
    git(repository, "add", "data.bin")
    found = capture_code(repository)
    assert found["dirty"] and found["is_exact"] and "-x = 1\n+x = 2  # ü" in found["diff"]
    git(tmp_path, "clone", "-q", str(repository), "copy")
    (tmp_path / "patch").write_text(found["diff"])
    git(tmp_path / "copy", "apply", str(tmp_path / "patch"))
    assert (tmp_path / "copy" / "train.py").read_text() == "x = 2  # ü\n"
    assert (tmp_path / "copy" / "data.bin").read_bytes() == bytes(range(256)) * 4


def test_files_that_git_does_not_know_are_named_but_not_kept(repository: Path) -> None:
    (repository / "new file é.py").write_text("password = 'content is not recorded'\n")
    (repository / "out.log").write_text("ignored\n")
    found = capture_code(repository)
    assert found["untracked"] == ["new file é.py"]
    assert found["dirty"] and not found["is_exact"] and found["diff"] == ""


def test_a_diff_that_is_too_long_is_cut_at_a_line_and_said_so(repository: Path) -> None:
    (repository / "train.py").write_text("".join(f"line {number}\n" for number in range(400_000)))
    found = capture_code(repository)
    assert 0.9 * DIFF_LIMIT < len(found["diff"]) <= DIFF_LIMIT
    assert found["diff"].endswith("\n") and found["dirty"] and not found["is_exact"]


def test_a_diff_that_is_not_utf8_is_shown_but_not_called_exact(repository: Path) -> None:
    (repository / "train.py").write_bytes(b"x = '\xff\xfe'\n")
    found = capture_code(repository)
    assert "x = '" in found["diff"] and not found["is_exact"]
    found["diff"].encode("utf-8")


def test_deleted_and_renamed_files_are_changes(repository: Path) -> None:
    git(repository, "mv", "train.py", "moved.py")
    git(repository, "config", "diff.renames", "copies")
    diff = capture_code(repository)["diff"]
    assert "rename" not in diff and "b/moved.py" in diff and "deleted file" in diff, "each names its content"
    git(repository, "reset", "-q", "--hard")
    (repository / "train.py").unlink()
    found = capture_code(repository)
    assert found["dirty"] and "deleted file" in found["diff"] and found["untracked"] == []


def test_a_repository_without_commits(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    found = capture_code(tmp_path)
    assert (found["commit"], found["branch"], found["dirty"], found["is_exact"]) == (
        None,
        "main",
        False,
        False,
    )
    (tmp_path / "a.py").write_text("x\n")
    git(tmp_path, "add", "a.py")
    (tmp_path / "a.py").write_text("y\n")
    found = capture_code(tmp_path)
    assert found["dirty"] and "+y" in found["diff"]


def test_a_detached_head_has_no_branch(repository: Path) -> None:
    git(repository, "checkout", "-q", "--detach")
    found = capture_code(repository)
    assert found["branch"] is None and found["commit"] == git(repository, "rev-parse", "HEAD")


def test_a_worktree_and_a_submodule_are_repositories(repository: Path, tmp_path: Path) -> None:
    git(repository, "worktree", "add", "-q", "-b", "side", str(tmp_path / "tree"))
    assert capture_code(tmp_path / "tree")["branch"] == "side"
    git(repository, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(repository), "sub")
    assert capture_code(repository / "sub")["root"] == str(repository / "sub")


def test_variables_that_point_git_elsewhere_are_ignored(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = capture_code(repository)
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    for name, value in (
        ("GIT_DIR", str(other / ".git")),
        ("GIT_WORK_TREE", str(other)),
        ("GIT_INDEX_FILE", "/nowhere"),
        ("GIT_EXTERNAL_DIFF", "false"),
    ):
        monkeypatch.setenv(name, value)
    assert capture_code(repository) == expected


def test_the_users_settings_do_not_change_the_diff(repository: Path) -> None:
    for name, value in (
        ("color.ui", "always"),
        ("diff.noprefix", "true"),
        ("diff.external", "false"),
        ("core.fsmonitor", "touch owned; false"),
    ):
        git(repository, "config", name, value)
    (repository / "train.py").write_text("x = 2\n")
    diff = capture_code(repository)["diff"]
    assert "--- a/train.py\n+++ b/train.py\n" in diff and "-x = 1\n+x = 2" in diff
    assert not (repository / "owned").exists()


def test_the_address_of_a_remote_is_not_recorded(repository: Path) -> None:
    git(repository, "remote", "add", "origin", "https://user:hunter2@example.com/repo.git")
    (repository / "train.py").write_text("x = 2\n")
    assert "hunter2" not in json.dumps(capture_code(repository))


@pytest.mark.parametrize("packed", [False, True])
def test_without_git_the_commit_is_read_from_the_files(
    repository: Path, packed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    git(repository, "worktree", "add", "-q", "-b", "side", str(tmp_path / "tree"))
    git(repository, "checkout", "-q", "-b", "feature/x")
    if packed:
        git(repository, "pack-refs", "--all")
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    found = capture_code(repository)
    assert (found["commit"], found["branch"], found["dirty"], found["is_exact"]) == (
        commit,
        "feature/x",
        None,
        False,
    )
    assert (
        capture_code(tmp_path / "tree")["branch"] == "side"
        and capture_code(tmp_path / "tree")["commit"] == commit
    )


@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0, reason="only root can give a repository to somebody else"
)
def test_a_repository_that_git_refuses_to_look_at_still_has_a_commit(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    for path in (repository, *repository.rglob("*")):
        os.chown(path, 12345, 12345)
    monkeypatch.delenv("SUDO_UID", raising=False)
    found = capture_code(repository)
    assert found["commit"] == commit and found["dirty"] is None


def test_a_broken_repository_is_not_an_error(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    assert capture_code(tmp_path)["commit"] is None
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / ".git").write_text("gitdir: /nowhere/at/all\n")
    assert capture_code(tmp_path / "sub")["commit"] is None


def test_a_git_that_hangs_is_given_up(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlxkit.runs import code

    fake = tmp_path / "bin"
    fake.mkdir()
    (fake / "git").write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
    (fake / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(fake))
    monkeypatch.setattr(code, "_PATIENCE", 0.3)
    assert capture_code(repository)["dirty"] is None
