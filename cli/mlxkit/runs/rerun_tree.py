"""The code of a run, laid out in a folder of its own: the commit and the diff in a worktree, and the kept sources over it."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import signal
import threading
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path, PurePosixPath
from typing import Any

from ..config.files import make_private_dir
from ..dataclass import dataclass
from ..errors import MlxError, NotFoundError
from .code import git_failure, git_output, top_of
from .liveness import Heartbeat, is_alive
from .records import RunRecord
from .rerun_data import Placed, place_data
from .rerun_sources import lay
from .sources import get

_REPOSITORY = ".repository"


class CodeGoneError(NotFoundError):
    """The code that a run was made with is not there any more."""


@dataclass(frozen=True)
class CodePlan:
    """Where the code of a run comes from: `top` is the repository that has the commit, None without git.

    `base` is the folder that the run knew as the top of its code.
    """

    base: Path
    top: Path | None
    commit: str
    diff: str
    sources: Mapping[str, str]
    notes: tuple[str, ...] = ()

    def described(self) -> str:
        """Say in a line what will be laid out."""
        parts = [f"commit {self.commit[:12]}"] if self.top else []
        if self.diff:
            parts.append(f"{self.diff.count(chr(10))} lines of changes")
        if self.sources:
            parts.append(f"{len(self.sources)} kept file{'s' if len(self.sources) > 1 else ''}")
        return " with ".join([parts[0], " and ".join(parts[1:])]) if len(parts) > 1 else parts[0]


@dataclass
class Tree:
    """Laid-out code: `root` stands for the base of the run."""

    base: Path
    root: Path
    data: Placed = field(default_factory=Placed)

    def at(self, path: Path) -> Path:
        """Return where a path of the run is now; one outside of its code is where it was."""
        return self.root / path.relative_to(self.base) if path.is_relative_to(self.base) else path


def plan_code(run: RunRecord, near: Path) -> CodePlan:
    """Find out where the code of a run comes from; raises CodeGoneError with what is missing.

    `near` is a folder of the project, for a repository that was moved since.
    """
    code = run.code
    sources: Mapping[str, str] = dict(code.get("sources") or {})
    base = Path(str(code.get("root") or code.get("base") or near))
    commit = str(code.get("commit") or "")
    if not commit:
        if not sources:
            raise CodeGoneError(
                f"run {run.id} has no code to go back to: it ran without git, and no source was kept",
                hint=f"mlx runs describe {run.id}",
            )
        return CodePlan(base, None, "", "", sources, tuple(_left_out(code)))
    top = _with_commit(commit, base, near)
    if top is None:
        if code.get("is_exact") or not sources:
            raise CodeGoneError(
                f"commit {commit[:12]} of run {run.id} is not in the repository {base}",
                hint="git fetch --all, or restore the branch that had it",
            )
        return CodePlan(base, None, "", "", sources, (f"commit {commit[:12]} is gone: only the kept Python files are laid out", *_left_out(code)))  # fmt: skip
    diff, notes = str(code.get("diff") or ""), []
    if not code.get("is_exact") and not code.get("is_whole", not sources):
        diff = ""
        notes.append(
            "the uncommitted changes were not kept whole: files other than Python are those of the commit"
        )
    if not code.get("is_exact") and not sources:
        notes.append("no source was kept of files that git did not know")
    return CodePlan(base, top, commit, diff, sources, (*notes, *_left_out(code)))


@contextlib.contextmanager
def laid_out(plan: CodePlan, state_dir: Path) -> Iterator[Tree]:
    """Lay the code out for the time of a rerun; the user's checkout, index and branches are not touched.

    What a killed rerun left behind is removed by the next one.
    """
    sweep_reruns(state_dir)
    folder = make_private_dir((state_dir / "reruns").resolve())
    token = secrets.token_hex(6)
    heartbeat = Heartbeat(folder, token)
    place = folder / token
    root = place / (plan.base.name or "code")
    try:
        make_private_dir(place)
        _check_out(plan, root)
        unlinked = _overlay(plan, root, state_dir)
        tree = Tree(plan.base, root.resolve())
        beside = plan.top or plan.base  # the repository may have been moved since
        if beside.is_dir():
            tree.data = place_data(beside, tree.root, unlinked, with_git=plan.top is not None)
        yield tree
    finally:
        with _undisturbed():
            _remove(place)
            heartbeat.stop()


def sweep_reruns(state_dir: Path) -> int:
    """Remove what killed reruns left, here and in their repository; returns how many there were."""
    folder, count = (state_dir / "reruns").resolve(), 0
    for place in list(folder.iterdir()) if folder.is_dir() else []:
        if place.is_dir() and not is_alive(folder, place.name):
            _remove(place)
            count += 1
    return count


def notes_on(plan: CodePlan, root: Path) -> list[str]:
    """Say what a worktree does not bring: submodules, and large files without the program that fetches them."""
    notes = []
    if (root / ".gitmodules").is_file():
        notes.append("submodules are not checked out: their folders are empty")
    attributes = root / ".gitattributes"
    has_pointers = attributes.is_file() and "filter=lfs" in attributes.read_text("utf-8", "replace")
    if plan.top and has_pointers and shutil.which("git-lfs") is None:
        notes.append("git-lfs is not installed: its files are pointers, not content")
    return notes


def _with_commit(commit: str, *places: Path) -> Path | None:
    for place in dict.fromkeys(places):
        top = top_of(place) if place.is_dir() else None
        if top is not None and git_output(top, "cat-file", "-e", f"{commit}^{{commit}}") is not None:
            return top
    return None


def _left_out(code: Mapping[str, Any]) -> list[str]:
    names = list(code.get("not_kept") or [])
    return [f"too large to be kept: {', '.join(names[:5])}"] if names else []


def _check_out(plan: CodePlan, root: Path) -> None:
    if plan.top is None:
        make_private_dir(root)
        return
    common = git_output(plan.top, "rev-parse", "--path-format=absolute", "--git-common-dir") or b""
    root.with_name(_REPOSITORY).write_bytes(common.rstrip(b"\n"))  # for whoever cleans up after us
    told = git_failure(
        plan.top, "-c", "core.hooksPath=/dev/null", "-c", "advice.detachedHead=false",
        "worktree", "add", "--quiet", "--detach", str(root), plan.commit,
    )  # fmt: skip
    if told is not None:
        raise MlxError(f"git made no worktree of commit {plan.commit[:12]}: {told}")
    if plan.diff:
        told = git_failure(root, "apply", "--whitespace=nowarn", "-", given=plan.diff.encode())
        if told is not None:
            raise CodeGoneError(f"the recorded changes do not fit commit {plan.commit[:12]}: {told}")


def _overlay(plan: CodePlan, root: Path, state_dir: Path) -> list[Path]:
    """Write the kept sources; returns the folders, relative to the root, that took the place of links."""
    unlinked = []
    for name, digest in plan.sources.items():
        if PurePosixPath(name).is_absolute() or ".." in Path(name).parts:
            raise CodeGoneError(f"the record names {name!r}, which is outside of the project")
        content = get(state_dir, digest)
        if content is None:
            raise CodeGoneError(f"the kept source of {name} is gone from {state_dir / 'sources'}")
        replaced = lay(root, name, content)
        if replaced is not None:
            unlinked.append(replaced.relative_to(root))
    return unlinked


def _remove(place: Path) -> None:
    """Remove a laid-out tree, and what its repository knows of it; other worktrees, here or not, stay."""
    known = place / _REPOSITORY
    common = Path(known.read_text("utf-8")) if known.is_file() else None
    for admin in (common / "worktrees").glob("*/gitdir") if common else ():
        with contextlib.suppress(OSError):
            if Path(admin.read_text("utf-8").strip()).is_relative_to(place):
                shutil.rmtree(admin.parent, ignore_errors=True)
    shutil.rmtree(place, ignore_errors=True)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Let no second Ctrl-C stop the cleaning up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
