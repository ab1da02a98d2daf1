"""Names that a TAB offers and could not find out in time: runs, pipelines, models; one small file a kind.

Commands that come to know names leave them here; `.mlx/names/runs` has a line a run, the newest last. It is a memory
and not the truth: nothing but completion reads it, losing it loses nothing, and writing it never fails a command.
A TAB imports this module, so it imports nothing that Python has not loaded already. A checkout may have brought the
files along, so no link is followed.
"""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

FOLDER = "names"
_LARGEST = 64 * 1024  # bytes; a file beyond it loses its older half
_MOST = 1000  # names of a kind


def recall(state_dir: str | os.PathLike[str], kind: str) -> list[str]:
    """Return the names of a kind, the newest first; none where nothing is known."""
    try:
        return _lines(_path(state_dir, kind))[::-1]
    except OSError:
        return []


def remember(state_dir: str | os.PathLike[str], kind: str, names: Iterable[str]) -> None:
    """Replace what is known of a kind by `names`, the newest first; nothing is written that is written already."""
    _change(state_dir, kind, lambda _: _clean(names)[:_MOST][::-1])


def add(state_dir: str | os.PathLike[str], kind: str, *names: str) -> None:
    """Put names before the others of their kind, unless they are known."""
    wanted = _clean(names)
    path = _path(state_dir, kind)
    try:
        known = _lines(path)
        fresh = [name for name in wanted if name not in known]
        if not fresh:
            return
        if known and os.lstat(path).st_size < _LARGEST:
            _append(path, fresh)
            return
    except (OSError, ValueError):
        fresh = wanted
    _change(state_dir, kind, lambda known: [*known[len(known) // 2 :], *(n for n in fresh if n not in known)])


def forget(state_dir: str | os.PathLike[str], kind: str, is_gone: Callable[[str], bool]) -> None:
    """Take out the names of a kind for which `is_gone` holds."""
    _change(state_dir, kind, lambda known: [name for name in known if not is_gone(name)])


def _change(state_dir: str | os.PathLike[str], kind: str, changed: Callable[[list[str]], list[str]]) -> None:
    path = _path(state_dir, kind)
    try:
        if not os.path.isdir(state_dir):  # what only reads makes no state folder
            return
        try:
            known = _lines(path)
        except FileNotFoundError:
            known = []
        new = changed(known)
        if new != known:
            _write(path, new)
    except Exception:  # noqa: S110 - a memory that cannot be written is none; read-only projects are one case
        pass


def _path(state_dir: str | os.PathLike[str], kind: str) -> str:
    return os.path.join(state_dir, FOLDER, kind)


def _lines(path: str) -> list[str]:
    descriptor = _open(path, os.O_RDONLY)
    try:
        text = os.read(descriptor, 4 * _LARGEST).decode("utf-8", "replace")
    finally:
        os.close(descriptor)
    return [line for line in text.split("\n") if line]


def _clean(names: Iterable[str]) -> list[str]:
    """Return the names that fit on a line, each of them once."""
    return [name for name in dict.fromkeys(names) if name and name.isprintable()]


def _append(path: str, names: list[str]) -> None:
    """Add lines in one write, so that two runs that begin at once lose none."""
    descriptor = _open(path, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(descriptor, "".join(f"{name}\n" for name in names).encode("utf-8", "replace"))
    finally:
        os.close(descriptor)


def _open(path: str, flags: int) -> int:
    """Open an ordinary file; whatever else lies there (a link, a pipe) counts as none, and is not waited for."""
    _refuse_linked_folder(path)
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise FileNotFoundError(path)
    for flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):
        flags |= getattr(os, flag, 0)
    return os.open(path, flags)


def _refuse_linked_folder(path: str) -> None:
    folder = os.path.dirname(path)
    if os.path.islink(folder):
        raise NotADirectoryError(folder)


def _write(path: str, names: list[str]) -> None:
    """Replace the file as a whole; no flush to the disk, which would cost more than the memory is worth."""
    _refuse_linked_folder(path)
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    temporary = f"{path}.{os.getpid()}.tmp"
    if os.path.lexists(temporary):  # of a process that died, or planted
        os.unlink(temporary)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(temporary, flags, 0o600)
    try:
        os.write(descriptor, "".join(f"{name}\n" for name in names).encode("utf-8", "replace"))
    finally:
        os.close(descriptor)
    try:
        os.replace(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise
