"""The project's own Python files that a run used, kept by content where git does not have them as they were.

They lie in `sources/` of the state folder, each once, under the digest of its content: `sources/ab/abcd...`. The run's
code record names them (`sources`: path to digest), relative to `base`. What is not Python is not kept, nor is a
file of more than `FILE_LIMIT` bytes, nor more than `COUNT_LIMIT` files of one run: those are named in `not_kept`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..config.files import NotWritableError, make_private_dir
from .code import tracked_files

FILE_LIMIT = 1 << 20
COUNT_LIMIT = 2_000
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
_OURS = str(Path(__file__).resolve().parent.parent) + os.sep
_PYTHON = str(Path(os.__file__).resolve().parent) + os.sep


class SourceKeeper:
    """Keeps what one run uses: once when it begins, and again, for what was imported meanwhile, when it ends."""

    def __init__(self, state_dir: Path, root: Path, file: Path | None, code: Mapping[str, Any]) -> None:
        self._store = state_dir / "sources"
        self._skipped = str(state_dir.resolve())
        self._base = Path(str(code.get("root") or root)).resolve()
        self._file = file
        self._code = code
        self._seen: set[str] = set()
        self._kept: dict[str, str] = {}
        self._left_out: list[str] = []

    def keep(self) -> dict[str, Any]:
        """Keep what is used now and was not before; returns what the code record says about it, {} when nothing is new.

        Files that the recorded commit and diff give are not kept. A disk that is full must not end a run.
        """
        fresh = [name for name in self._used() if name not in self._seen]
        self._seen.update(fresh)
        wanted = self._without_git(fresh)
        if not wanted:
            return {}
        for name in wanted:
            digest = self._keep_one(name)
            if digest is None:
                self._left_out.append(name)
            else:
                self._kept[name] = digest
        said: dict[str, Any] = {"base": str(self._base), "sources": dict(sorted(self._kept.items()))}
        if self._left_out:
            said["not_kept"] = sorted(self._left_out)
        return said

    def _used(self) -> list[str]:
        """Return the run's file and the imported modules under the base, relative to it."""
        own = _under(self._base, self._skipped, [str(self._file.resolve())] if self._file is not None else [])
        return list(dict.fromkeys([*own, *own_modules(self._base, Path(self._skipped))]))

    def _without_git(self, names: list[str]) -> list[str]:
        """Leave out what git gives as it was: in an exact state everything that git does not ignore."""
        if not names or not self._code.get("is_exact"):
            return names
        known = tracked_files(self._base, names)
        return [name for name in names if known is not None and Path(name).as_posix() not in known]

    def _keep_one(self, name: str) -> str | None:
        if len(self._kept) >= COUNT_LIMIT:
            return None
        try:
            content = (self._base / name).read_bytes()
            if len(content) > FILE_LIMIT:
                return None
            return put(self._store, content)
        except (OSError, NotWritableError):
            return None


def own_modules(base: Path, skipped: Path) -> list[str]:
    """Return the files of imported modules that lie under a folder, relative to it; installed packages do not count."""
    paths = []
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if type(path) is str and path.endswith(".py"):
            paths.append(path if path[0] in "/\\" or Path(path).is_absolute() else str(Path(path).resolve()))
    return _under(base, str(skipped), paths)


def _under(base: Path, skipped: str, paths: Iterable[str]) -> list[str]:
    start = str(base).rstrip(os.sep) + os.sep
    mine = [path for path in dict.fromkeys(paths) if path.startswith(start)]
    own = [path for path in mine if not path.startswith((_OURS, _PYTHON, skipped + os.sep))]
    return [
        path[len(start) :]
        for path in own
        if not any(part in os.sep + path[len(start) :] for part in _INSTALLED)
    ]


def put(store: Path, content: bytes) -> str:
    """Keep a content and return its digest; what is there already is not written again."""
    digest = hashlib.sha256(content).hexdigest()
    path = store / digest[:2] / digest
    with contextlib.suppress(OSError):
        os.utime(path)  # a pruning takes it for one that is still wanted
    if not path.exists():
        make_private_dir(path.parent)
        draft = path.with_name(f".{digest[:12]}.{os.urandom(6).hex()}.tmp")
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                out.write(content)
            draft.replace(path)
        finally:
            with contextlib.suppress(OSError):
                draft.unlink()
    return digest


def get(state_dir: Path, digest: str) -> bytes | None:
    """Return a content by its digest; None when it is gone or no longer what it was."""
    try:
        content = (state_dir / "sources" / digest[:2] / digest).read_bytes()
    except OSError:
        return None
    return content if hashlib.sha256(content).hexdigest() == digest else None
