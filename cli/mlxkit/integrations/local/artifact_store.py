"""The `local` artifact store: a folder of content under its digests, safe for many writers and for being killed."""

from __future__ import annotations

import errno
import os
import re
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ...artifacts.errors import ArtifactMissingError, ArtifactStoreError
from ...artifacts.records import ArtifactRecord
from ...artifacts.store import Stored, is_uri
from ...stacks.trusting import trusts_code

if TYPE_CHECKING:
    from ...stacks.resolve import ResolvedComponent
    from .entries import EntryFiles
    from .modes import Modes

_DRAFTS = "drafts"
_DRAFT = re.compile(r".+\.[0-9]+\.[0-9a-f]{12}", re.ASCII)
_ENTRIES = "entries"
_ABANDONED_AFTER = 24 * 3600
_STILL_WARM = 60  # containers can share a host name and not see each other's processes


class LocalArtifactStore:
    """Content in a folder of this machine.

    A draft is written inside the store and renamed to its key, so that a key is either whole or not there.
    Writers of one key write the same content: the last rename wins and nobody waits.
    """

    def __init__(self, component: ResolvedComponent, state_dir: Path) -> None:
        path = component.attributes.get("path")
        text = path.reveal() if path is not None and hasattr(path, "reveal") else path
        self.root = state_dir / "artifacts" if not text else _folder(str(text), state_dir.parent)
        self.name = component.name
        self.trusts_code = trusts_code(component)
        self._state_dir = state_dir
        self._is_swept = False

    @classmethod
    def at(cls, folder: Path) -> LocalArtifactStore:
        """Make a store in a folder that no component names."""
        from ...stacks.resolve import ResolvedComponent

        return cls(ResolvedComponent("artifact_store", "", "local", {"path": str(folder)}), folder)

    @property
    def location(self) -> str:
        """The folder."""
        return str(self.root)

    @cached_property
    def is_shared(self) -> bool:
        """Whether it lies outside of the state folder, where other checkouts can have it too."""
        return not self.root.resolve().is_relative_to(self._state_dir.resolve())

    @property
    def is_remote(self) -> bool:
        """A folder is not, even where its disk is."""
        return False

    @contextmanager
    def draft(self) -> Iterator[Path]:
        """Give a private folder on the same disk as the content."""
        drafts = self.root / _DRAFTS
        if not self._is_swept:
            self._modes.make(drafts)
            self.sweep()
            self._is_swept = True
        folder = drafts / f"{_host()}.{os.getpid()}.{os.urandom(6).hex()}"
        try:
            folder.mkdir(mode=0o700)
        except FileNotFoundError:  # the state folder was deleted under a running program
            self._modes.make(drafts)
            folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            _remove(folder)

    def commit(self, draft: Path, uri: str) -> None:
        """Rename a draft to its key; what is there already is the same content, or damaged and replaced."""
        target = self._path(uri)
        self._modes.make(target.parent)
        self._modes.give(draft)
        if not draft.is_dir():
            try:
                draft.replace(target)
            except PermissionError:  # Windows: somebody has it mapped
                if not target.is_file() or target.stat().st_size != draft.stat().st_size:
                    raise
            return
        try:
            draft.rename(target)
        except OSError:
            if target.is_dir():
                self._replace_files(draft, target)
            else:  # somebody has just taken away what was in its place
                draft.rename(target)

    def locate(self, uri: str, artifact: ArtifactRecord | None = None) -> Path:
        """Return the path of stored content."""
        path = self._path(uri)
        if not path.exists():
            raise ArtifactMissingError(f"artifact {path.name[:12]} is not in the artifact store {self.root}")
        return path

    def discard_copy(self, uri: str) -> bool:
        """Say that there is none: what was read is the content."""
        return False

    def measure(self, uri: str) -> Stored | None:
        """Return the size and the age of content, or None."""
        path = self._path(uri)
        try:
            return Stored(_size(path), path.stat().st_mtime)
        except OSError:
            return None

    def exists(self, artifact: ArtifactRecord) -> bool:
        """Say whether content is there at its size."""
        if artifact.inline is not None:
            return True
        path = self._path(artifact.uri)
        try:
            return _size(path) == artifact.size
        except OSError:
            return False

    def delete(self, uri: str) -> None:
        """Remove content; a folder leaves its key first, so that no half of it is ever seen."""
        path = self._path(uri)
        if not path.is_dir():
            path.unlink(missing_ok=True)
            return
        with self.draft() as folder, suppress(FileNotFoundError):
            path.rename(folder / path.name)

    def uris(self) -> Iterator[str]:
        """Return every key."""
        if not self.root.is_dir():
            return
        for group in sorted(self.root.iterdir()):
            if len(group.name) == 2 and group.is_dir():
                keys = (f"{group.name}/{item.name}{'/' * item.is_dir()}" for item in sorted(group.iterdir()))
                yield from filter(is_uri, keys)

    def put_entry(self, name: str, content: bytes) -> bytes:
        """Write a document unless it is there already, and return the first writer's; raises ArtifactStoreError."""
        try:
            return self._entries.put(name, content)
        except OSError as error:
            raise ArtifactStoreError(
                f"cannot write to artifact store {self.location}: {error.strerror or error}",
                hint="mlx artifact-store list",
            ) from error

    def get_entry(self, name: str) -> bytes | None:
        """Return a document, or None."""
        try:
            return self._entries.get(name)
        except OSError as error:
            raise ArtifactStoreError(
                f"cannot read {name} in artifact store {self.location}: {error.strerror or error}",
                hint="mlx cache verify",
            ) from error

    def delete_entry(self, name: str) -> None:
        """Remove a document."""
        try:
            self._entries.delete(name)
        except OSError as error:
            raise ArtifactStoreError(
                f"cannot delete {name} in artifact store {self.location}: {error.strerror or error}",
                hint=f"ls -ld {shlex.quote(self.location)}",
            ) from error

    def entries(self, prefix: str) -> Iterator[str]:
        """Return the names of the documents that begin with `prefix`, in order."""
        return self._entries.names(prefix)

    def sweep(self) -> int:
        """Remove the drafts of programs that were killed; returns how many there were."""
        removed = 0
        folders: list[Path] = []
        with suppress(OSError):
            # A folder of somebody's own may be called so where a store was put among other files.
            folders = [path for path in (self.root / _DRAFTS).iterdir() if _DRAFT.fullmatch(path.name)]
        for folder in folders:
            with suppress(OSError):  # another user's, which nobody else can look into
                if _is_abandoned(folder):
                    _remove(folder)
                    removed += 1
        return removed

    @cached_property
    def _modes(self) -> Modes:
        from .modes import Modes

        return Modes.like(self.root) if self.is_shared else Modes()

    @cached_property
    def _entries(self) -> EntryFiles:
        from .entries import EntryFiles

        return EntryFiles(self.root / _ENTRIES, self.draft, self._modes)

    def _replace_files(self, draft: Path, target: Path) -> None:
        """Put the files of a folder over the same files of another, each at once: its readers never miss one."""
        if target.is_symlink():  # somebody's, and it may lead anywhere
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(target))
        for path in sorted(draft.iterdir(), key=Path.is_file):  # the manifest, a file, comes last
            if path.is_dir():
                self._modes.make(target / path.name)
                self._replace_files(path, target / path.name)
            else:
                path.replace(target / path.name)

    def _path(self, uri: str) -> Path:
        if not is_uri(uri):
            raise ArtifactMissingError(f"{uri!r} is not the key of an artifact")
        return self.root / uri


def _folder(text: str, base: Path) -> Path:
    """Return the folder that an attribute means: a `file://` URL, `~`, or a path from where `mlx.yaml` is."""
    if text.startswith("file://"):
        from urllib.parse import unquote, urlsplit
        from urllib.request import url2pathname

        text = url2pathname(unquote(urlsplit(text).path))
    return base / Path(text).expanduser()


def _size(path: Path) -> int:
    if not path.is_dir():
        return path.stat().st_size
    return sum(_size(item) for item in path.iterdir())


def _is_abandoned(draft: Path) -> bool:
    """Say whether nobody writes a draft any more: its process is gone, or it is not ours to ask and a day old."""
    now = time.time()
    touched = max(item.stat().st_mtime for item in [draft, *draft.iterdir()])
    if now - touched > _ABANDONED_AFTER:
        return True
    host, _, rest = draft.name.partition(".")
    pid = rest.partition(".")[0]
    if host != _host() or not pid.isdigit() or os.name != "posix" or now - touched < _STILL_WARM:
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _host() -> str:
    name = os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")
    return name.replace(".", "-").replace(os.sep, "-") or "host"


def _remove(folder: Path) -> None:
    """Remove a draft; mostly it is empty by then, and nothing heavier is needed."""
    try:
        folder.rmdir()
    except OSError:
        import shutil

        shutil.rmtree(folder, ignore_errors=True)
