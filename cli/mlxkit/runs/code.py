"""The state of the code of a run: the git commit, the branch, and what was not committed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..secrets.children import without_secrets

DIFF_LIMIT = 1 << 20
_UNTRACKED_LIMIT = 1000
_PATIENCE = 10.0
_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def capture_code(root: Path) -> dict[str, Any]:
    """Return commit, branch and uncommitted changes of the repository around `root`; {} when there is none.

    `dirty` counts files that git does not know yet: they are named, their content is not kept.
    `is_exact` says that commit and diff together are the whole code, `is_whole` that nothing was cut from the diff.
    Without git, or when git refuses to
    look at somebody else's repository, the commit is read from the files and `dirty` is None.
    """
    top = top_of(root)
    if top is None:
        return {}
    status = _git(top, "status", "--porcelain=v2", "--branch", "-z", "--untracked-files=normal")
    if status is None:
        return {
            "root": str(top),
            **_from_files(top),
            "dirty": None,
            "diff": "",
            "untracked": [],
            "is_exact": False,
            "is_whole": False,
        }
    commit, branch, is_changed, untracked = _parse(status)
    diff, is_whole = _diff(top, commit) if is_changed else ("", True)
    return {
        "root": str(top),
        "commit": commit,
        "branch": branch,
        "dirty": is_changed or bool(untracked),
        "diff": diff,
        "untracked": untracked[:_UNTRACKED_LIMIT],
        "is_exact": is_whole and not untracked and commit is not None,
        "is_whole": is_whole,
    }


def top_of(folder: Path) -> Path | None:
    """Return the top of the repository or worktree around a folder; None when there is none."""
    return next(
        (item for item in (folder.resolve(), *folder.resolve().parents) if (item / ".git").exists()), None
    )


def git_output(folder: Path, *arguments: str) -> bytes | None:
    """Return what git prints in a repository; None when it fails, is not there or takes too long."""
    return _git(folder, *arguments)


def git_failure(folder: Path, *arguments: str, given: bytes = b"") -> str | None:
    """Run git where it may take its time, out of reach of a Ctrl-C; returns None, or the first line of its complaint."""
    import subprocess

    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            input=given, capture_output=True, env=_environment(os.environ), start_new_session=True, check=False,
        )  # fmt: skip
    except OSError as error:
        return f"git cannot be run: {error.strerror}"
    if done.returncode == 0:
        return None
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or [
        f"git ended with {done.returncode}"
    ]
    return next((line for line in lines if line.startswith(("fatal", "error"))), lines[0])


def tracked_files(top: Path, names: Sequence[str]) -> set[str] | None:
    """Return which of some files, relative to `top`, git has in its index; None when it does not say."""
    found = _git(top, "--literal-pathspecs", "ls-files", "-z", "--", *names)
    return None if found is None else set(found.decode("utf-8", "replace").split("\0")) - {""}


def _parse(status: bytes) -> tuple[str | None, str | None, bool, list[str]]:
    commit = branch = None
    is_changed = False
    untracked = []
    records = iter(status.split(b"\0"))
    for record in records:
        text = record.decode("utf-8", "replace")
        if text.startswith("# branch.oid "):
            commit = text[13:] if text[13:] != "(initial)" else None
        elif text.startswith("# branch.head "):
            branch = text[14:] if text[14:] != "(detached)" else None
        elif text.startswith("? "):
            untracked.append(text[2:])
        elif text and text[0] in "12u":
            is_changed = True
            if text[0] == "2":
                next(records, None)  # a rename names its origin in a record of its own
    return commit, branch, is_changed, sorted(untracked)


def _diff(top: Path, commit: str | None) -> tuple[str, bool]:
    """Return the uncommitted changes, cut at a line when they are too long, and whether they are all there as they were."""
    data = _git(
        top, "diff", "--binary", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color", "--src-prefix=a/", "--dst-prefix=b/", "--submodule=short",
        "HEAD" if commit else _EMPTY_TREE, "--", limit=DIFF_LIMIT,
    )  # fmt: skip
    if data is None:
        return "", False
    is_whole = len(data) <= DIFF_LIMIT
    if not is_whole:
        data = data[: data.rfind(b"\n", 0, DIFF_LIMIT) + 1]
    try:
        return data.decode(), is_whole
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace"), False


def _git(top: Path, *arguments: str, limit: int | None = None) -> bytes | None:
    """Return what git prints, up to a little more than `limit`; None when it fails, is not there or takes too long."""
    import subprocess
    from threading import Timer

    command = [
        "git",
        "-C",
        str(top),
        "--no-optional-locks",
        "-c",
        "core.fsmonitor=false",
        "-c",
        "core.quotepath=off",
        *arguments,
    ]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(os.environ),
        )
    except OSError:
        return None
    with process:
        timer = Timer(_PATIENCE, process.kill)
        timer.daemon = True
        timer.start()
        try:
            assert process.stdout is not None
            data = process.stdout.read() if limit is None else process.stdout.read(limit + 1)
            if limit is not None and len(data) > limit:
                process.kill()
                return data
            return data if process.wait() == 0 else None
        finally:
            timer.cancel()


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without what would point git at another repository or change what it prints."""
    kept = {
        name: value
        for name, value in without_secrets(environ).items()
        if not name.startswith("GIT_") or name.startswith("GIT_CONFIG_")
    }
    return {**kept, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}


def _from_files(top: Path) -> dict[str, str | None]:
    """Return commit and branch from the files of a repository."""
    folder = top / ".git"
    try:
        if folder.is_file():  # a worktree, or a submodule
            folder = top / folder.read_text("utf-8").partition(":")[2].strip()
        head = (folder / "HEAD").read_text("utf-8").strip()
        if not head.startswith("ref: "):
            return {"commit": head, "branch": None}
        name = head[5:]
        common = folder / "commondir"
        if common.is_file():
            folder = folder / common.read_text("utf-8").strip()
        branch = name.removeprefix("refs/heads/")
        if (folder / name).is_file():
            return {"commit": (folder / name).read_text("utf-8").strip(), "branch": branch}
        packed = folder / "packed-refs"
        for line in packed.read_text("utf-8").splitlines() if packed.is_file() else ():
            if line.endswith(f" {name}"):
                return {"commit": line.partition(" ")[0], "branch": branch}
        return {"commit": None, "branch": branch}
    except (OSError, UnicodeDecodeError):
        return {"commit": None, "branch": None}
