"""The kept sources of a run, written over a laid-out tree: never through a link, which may lead to the user's own files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path, PurePosixPath

from ..errors import MlxError


def lay(root: Path, name: str, content: bytes) -> Path | None:
    """Write a file of the tree anew, whatever a commit has in its place.

    A link on the way to it that leads out of the tree is replaced by a folder of its own; its path is returned, for
    what else lay behind the link.
    """
    place, replaced = root, None
    *folders, last = PurePosixPath(name).parts
    for part in folders:
        place = place / part
        if place.is_symlink() and not _is_inside(place, root):
            place.unlink()
            replaced = place
        elif os.path.lexists(place) and not place.is_dir():
            place.unlink()
        place.mkdir(exist_ok=True)
    if not _is_inside(place, root):  # whatever happened meanwhile
        raise MlxError(f"{name} would be written outside of {root}")
    _write(place / last, content)
    return replaced


def _write(path: Path, content: bytes) -> None:
    mode = 0o666
    if path.is_symlink():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)
    elif path.exists():
        mode = path.stat().st_mode & 0o777
        path.unlink()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, mode), "wb") as file:
        file.write(content)


def _is_inside(place: Path, root: Path) -> bool:
    try:
        return place.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # links that go round in a circle
        return False
