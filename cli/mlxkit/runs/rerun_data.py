"""Data beside the code: what git does not know, made readable under the same relative paths in a laid-out tree.

Small files are copied, so that a rerun that writes to them leaves the originals alone; large ones are linked to.
Python files never come this way: they are those of the run. Environments, caches and the state folder are left out.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import field
from pathlib import Path

from ..dataclass import dataclass
from .code import git_output

COPY_EACH, COPY_ALL = 4 << 20, 64 << 20  # bytes of one file, and of all of them together
COUNT_LIMIT = 5_000
LOOKED_AT = 100_000  # entries of a linked folder
_LEFT_OUT = (".git", ".mlx", ".venv", "venv", "node_modules", "__pycache__", ".tox", ".mypy_cache", ".pytest_cache", ".ruff_cache")  # fmt: skip
_CODE = (".py", ".pyc", ".pyo")


@dataclass
class Placed:
    """What was put beside the code: how much was copied, and what is linked to, as it was then."""

    copied: int = 0
    linked: dict[Path, tuple[int, int]] = field(default_factory=dict)
    left_out: int = 0
    _bytes: int = 0

    def put(self, source: Path, target: Path) -> None:
        """Copy a small file, or link to a large one or a folder; what is there already stays, folders are filled up."""
        if os.path.lexists(target):
            if source.is_dir() and target.is_dir() and not target.is_symlink():
                with contextlib.suppress(OSError):
                    for entry in sorted(source.iterdir()):
                        if not _is_code(Path(entry.name)):
                            self.put(entry, target / entry.name)
            return
        if self.copied + len(self.linked) >= COUNT_LIMIT:
            self.left_out += 1
            return
        try:
            found = source.stat()
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_file() and found.st_size <= COPY_EACH and self._bytes + found.st_size <= COPY_ALL:
                shutil.copy2(source, target)
                self.copied, self._bytes = self.copied + 1, self._bytes + found.st_size
            elif source.is_file() or source.is_dir():
                is_folder = source.is_dir()
                target.symlink_to(source.absolute(), target_is_directory=is_folder)
                self.linked[source] = (
                    (target.lstat().st_ctime_ns, -1) if is_folder else (found.st_mtime_ns, found.st_size)
                )
        except OSError:  # it is gone meanwhile, or may not be read: the run could not have read it either
            self.left_out += 1

    def changed(self) -> list[str]:
        """Return the originals that were written to through their links; of folders, those with something newer in them."""
        return [
            str(path)
            for path, before in self.linked.items()
            if (_is_newer(path, before[0]) if path.is_dir() else path.is_file() and _mark(path) != before)
        ]


def place_data(base: Path, tree: Path, unlinked: Iterable[Path] = (), *, with_git: bool) -> Placed:
    """Put what the project has beside its code into a laid-out tree; with git, that is what git does not track.

    `unlinked` are folders of the tree that stand for links of the project's: what is behind those is put there, too.
    """
    placed = Placed()
    for name in [*unlinked, *(_untracked(base) if with_git else _files(base, tree))]:
        if _is_code(name):
            continue
        if (tree / name).parent.resolve().is_relative_to(tree):
            placed.put(base / name, tree / name)
        else:  # the commit has a link there that leads out of the tree
            placed.left_out += 1
    return placed


def _is_code(path: Path) -> bool:
    """Say whether a path is one of code, or of what is left out."""
    return path.suffix in _CODE or bool(set(path.parts) & set(_LEFT_OUT))


def _untracked(base: Path) -> Iterable[Path]:
    hidden = [word for name in _LEFT_OUT for word in ("-x", name)]
    found = git_output(base, "ls-files", "--others", "-z", *hidden)
    names = (found or b"").decode("utf-8", "surrogateescape").split("\0")
    return [Path(name.rstrip("/")) for name in names if name]


def _files(base: Path, tree: Path) -> Iterator[Path]:
    """Yield files level by level, and from where there are too many on, whole folders that no code is laid out in."""
    level, count = [base], 0
    while level:
        below: list[Path] = []
        for folder in level:
            try:
                entries = sorted(folder.iterdir())
            except OSError:
                continue
            for entry in entries:
                name = entry.relative_to(base)
                if not entry.is_dir() or entry.is_symlink():
                    yield name
                elif entry.name in _LEFT_OUT or (entry / "pyvenv.cfg").exists():
                    continue
                elif count < COUNT_LIMIT or (tree / name).is_dir():
                    below.append(entry)
                else:
                    yield name
                count += 1
        level = below


def _mark(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size


def _is_newer(folder: Path, moment: int) -> bool:
    """Say whether something in a folder, of the first that are found, was changed since a moment of its clock."""
    for count, entry in enumerate(_below(folder)):
        with contextlib.suppress(OSError):
            if os.lstat(entry).st_ctime_ns > moment:
                return True
        if count > LOOKED_AT:
            break
    return False


def _below(folder: Path) -> Iterator[str]:
    yield str(folder.resolve())
    for place, folders, files in os.walk(folder):
        yield from (f"{place}{os.sep}{name}" for name in (*folders, *files))
