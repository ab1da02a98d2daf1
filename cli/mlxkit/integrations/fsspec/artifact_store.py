"""The artifact stores beyond a disk: content and documents below one address that fsspec reaches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ...artifacts.errors import ArtifactMissingError
from ...artifacts.folders import FILES, MANIFEST
from ...artifacts.records import ArtifactRecord
from ...artifacts.store import Stored, check_entry_name, entry_limit, is_entry_name, is_uri
from ...config.paths import user_cache_dir
from ...errors import MlxError
from ...stacks.addresses import shown_address
from ...stacks.trusting import trusts_code
from . import checking
from .backend import Backend
from .flavor import DEFAULT_RETRIES, cache_limit
from .options import need_library, revealed, storage_options
from .private import make_folders, make_private
from .read_cache import ReadCache
from .times import changed

if TYPE_CHECKING:
    from ...stacks.resolve import ResolvedComponent

_ENTRIES = "entries"
_CONTENT = "content"
_DAMAGED = "damaged/"  # documents that name what somebody found damaged
_OPTIONAL = ("cache/", _DAMAGED)  # documents that a run can do without: it does not wait long for them
_SMALL = 1 << 20  # bytes that are sent faster than it is asked whether they are there
_HERE = ("file", "local", "memory")

T = TypeVar("T")
V = TypeVar("V")


class FsspecArtifactStore:
    """Content under its digest in a bucket, or wherever else an address leads.

    A file is visible when all of it was sent; a folder when its manifest is, which is sent last. What comes back is
    held against its digest before anybody reads it, and a copy stays on this machine (`ReadCache`).
    """

    def __init__(self, component: ResolvedComponent, state_dir: Path) -> None:
        need_library(component.flavor)
        url = str(revealed(component.attributes["path"])).rstrip("/")
        self.name = component.name
        self.trusts_code = trusts_code(component)
        self.location = shown_address(url)
        self.is_shared = True
        self.is_remote = url.partition("://")[0].lower() not in _HERE
        self._cache = ReadCache(user_cache_dir() / "artifacts", cache_limit(component.attributes))
        self._backend = Backend(
            url,
            self.location,
            self.name,
            lambda: storage_options(component),
            int(component.attributes.get("retries", DEFAULT_RETRIES)),
        )
        self._said: set[str] = set()
        self._hasty = self._backend.hasty(lambda: storage_options(component, at_most=1))

    def draft(self) -> AbstractContextManager[Path]:
        """Give a private folder on the disk of the copies; raises ArtifactStoreError."""
        return self._cache.draft()

    def commit(self, draft: Path, uri: str) -> None:
        """Send a draft, unless the same is there already; what is left here is the copy to read."""
        digest = _digest(uri)
        is_again = self._cache.is_damaged(digest)
        if draft.is_dir():
            self._send_folder(draft, uri, is_again=is_again)
        elif is_again or not self._is_there(uri, draft.stat().st_size) or self._is_said_damaged(digest):
            self._backend.upload(draft, uri)
        if is_again or digest in self._said:
            self._mended(digest)
        self._cache.keep(draft, uri)

    def locate(self, uri: str, artifact: ArtifactRecord | None = None) -> Path:
        """Return a copy on this machine, brought and checked when there is none; raises ArtifactMissingError."""
        digest = _digest(uri)
        found = self._copy(uri, artifact)
        if found is not None:
            return found
        with self._cache.one_download(digest):
            found = self._copy(uri, artifact)
            if found is not None:
                return found
            with self._cache.draft() as folder:
                return self._cache.keep(self._brought(folder / _CONTENT, uri, artifact), uri)

    def prove(self, artifact: ArtifactRecord) -> None:
        """Hold the content itself against its digest; a copy on this machine is no proof, and is there all the time."""
        with self._cache.draft() as folder:
            draft = self._brought(folder / _CONTENT, artifact.uri, artifact)
            if self._cache.find(artifact.uri, artifact) is not None:  # which may be damaged
                self._cache.keep(draft, artifact.uri)

    def discard_copy(self, uri: str) -> bool:
        """Forget the copy on this machine; what was read was one, also where it is gone by now."""
        self._cache.discard(uri)
        return True

    def exists(self, artifact: ArtifactRecord) -> bool:
        """Say whether content is there at its size, and was not found damaged: one request."""
        if artifact.inline is not None:
            return True
        if self._cache.is_damaged(_digest(artifact.uri)):
            return False
        if not artifact.uri.endswith("/"):
            return self._backend.size(artifact.uri) == artifact.size
        sizes = self._sizes(artifact.uri)
        return MANIFEST in sizes and sum(sizes.values()) == artifact.size

    def at_once(self, work: Callable[[V], T], items: Iterable[V]) -> Iterator[T]:
        """Do something that asks this store with every item, several at a time where its library allows that."""
        return self._backend.at_once(work, items)

    def measure(self, uri: str) -> Stored | None:
        """Return the size and the age of content; that of a folder, also a half-sent one, is its newest file's."""
        _digest(uri)
        if not uri.endswith("/"):
            info = self._backend.info(uri)
            return None if info is None else Stored(int(info.get("size") or 0), changed(info))
        found = self._backend.below(uri)
        if not found:
            return None
        times = [changed(info) for info in found.values()]
        known = [time for time in times if time is not None]
        return Stored(
            sum(int(info.get("size") or 0) for info in found.values()),
            max(known) if len(known) == len(times) else None,
        )

    def delete(self, uri: str) -> None:
        """Remove content, the manifest of a folder first: a reader finds all of it or none."""
        _digest(uri)
        if uri.endswith("/"):
            names = list(self._backend.below(uri))
            if MANIFEST in names:
                self._backend.remove(f"{uri}{MANIFEST}")
            rest = [f"{uri}{name}" for name in names if name != MANIFEST]
            list(self._backend.at_once(self._backend.remove, rest))
            self._backend.remove_folder(uri)
        else:
            self._backend.remove(uri)
        self._cache.discard(uri)

    def uris(self) -> Iterator[str]:
        """Return every key, those of half-sent folders too."""
        groups = [name for name, is_folder in self._backend.children("") if is_folder and len(name) == 2]
        for group, items in zip(groups, self._backend.at_once(self._backend.children, groups), strict=True):
            for name, is_folder in items:
                uri = f"{group}/{name}{'/' if is_folder else ''}"
                if is_uri(uri):
                    yield uri

    def put_entry(self, name: str, content: bytes) -> bytes:
        """Write a document unless it is there already, and return the first writer's; see `Backend.create`."""
        while True:
            backend = self._for(name)
            if backend.create(_entry(name), content) and backend.decides_the_first:
                return content
            there = self.get_entry(name)
            if there is not None:  # else somebody has just deleted it
                return there

    def get_entry(self, name: str) -> bytes | None:
        """Return a document, or None."""
        return self._for(name).read(_entry(name), entry_limit(name))

    def delete_entry(self, name: str) -> None:
        """Remove a document."""
        self._backend.remove(_entry(name))

    def entries(self, prefix: str) -> Iterator[str]:
        """Return the names of the documents that begin with `prefix`, in order."""
        above = prefix.rpartition("/")[0]
        found = self._backend.below(_entry(above) if above else _ENTRIES)
        names = sorted(f"{above}/{name}" if above else name for name in found)
        return (name for name in names if name.startswith(prefix) and is_entry_name(name))

    def _for(self, name: str) -> Backend:
        return self._hasty if name.startswith(_OPTIONAL) else self._backend

    def __repr__(self) -> str:
        return f"<artifact store {self.location}>"

    def _is_there(self, key: str, size: int) -> bool:
        if size <= _SMALL and self._backend.is_object_store:  # elsewhere a reader would miss it meanwhile
            return False
        return self._backend.size(key) == size

    def _is_said_damaged(self, digest: str) -> bool:
        """Say whether somebody found damaged what has the right size: who makes it again sends it again."""
        try:
            is_said = self.get_entry(f"{_DAMAGED}{digest}") is not None
        except MlxError:
            return False
        if is_said:
            self._said.add(digest)
        return is_said

    def _mended(self, digest: str) -> None:
        self._cache.unmark(digest)
        self._said.discard(digest)
        with suppress(MlxError):
            self.delete_entry(f"{_DAMAGED}{digest}")

    def _sizes(self, uri: str) -> dict[str, int]:
        return {name: int(info.get("size") or 0) for name, info in self._backend.below(uri).items()}

    def _send_folder(self, draft: Path, uri: str, *, is_again: bool) -> None:
        files = {path.relative_to(draft).as_posix(): path for path in draft.rglob("*") if path.is_file()}
        there = {} if is_again else self._sizes(uri)
        missing = {name: path for name, path in files.items() if there.get(name) != path.stat().st_size}
        if not missing and self._is_said_damaged(_digest(uri)):
            missing = files
        parts = [(path, f"{uri}{name}") for name, path in missing.items() if name != MANIFEST]
        for _ in self._backend.at_once(lambda part: self._backend.upload(*part), parts):
            pass
        if missing:  # also where it is there: it belongs to what was sent just now
            self._backend.upload(files[MANIFEST], f"{uri}{MANIFEST}")

    def _copy(self, uri: str, artifact: ArtifactRecord | None) -> Path | None:
        path = self._cache.find(uri, artifact)
        if path is None:
            return None
        if uri.endswith("/") and not checking.is_good_copy(path, _digest(uri), artifact):
            self._cache.discard(uri)
            return None
        return path

    def _brought(self, draft: Path, uri: str, artifact: ArtifactRecord | None) -> Path:
        bring = self._bring_folder if uri.endswith("/") else self._bring
        bring(draft, uri, artifact)
        if artifact is not None:  # where it was damaged, somebody mended it
            self._cache.unmark(_digest(uri))
        return draft

    def _bring(self, draft: Path, uri: str, artifact: ArtifactRecord | None) -> None:
        digest = _digest(uri)
        if not self._backend.download(uri, draft):
            raise self._missing(digest)
        make_private(draft)
        if not checking.is_content(draft, digest, artifact):
            raise self._damaged(digest, "its content is not what was stored")

    def _bring_folder(self, draft: Path, uri: str, artifact: ArtifactRecord | None) -> None:
        digest = _digest(uri)
        (draft / FILES).mkdir(mode=0o700, parents=True)
        draft.chmod(0o700)
        manifest = draft / MANIFEST
        if not self._backend.download(f"{uri}{MANIFEST}", manifest):
            raise self._missing(digest)
        make_private(manifest)
        if not checking.is_manifest(manifest, digest, artifact):
            raise self._damaged(digest, "its manifest is not what was stored")
        entries = checking.entries_of(manifest, digest)
        folders = {(draft / FILES / name).parent for name in entries}
        folders |= {draft / FILES / name for name in checking.empty_folders_of(manifest, digest)}
        for folder in sorted(folders):
            make_folders(folder, draft)

        def bring(name: str) -> None:
            path = draft / FILES / name
            if not self._backend.download(f"{uri}{FILES}/{name}", path):
                raise self._damaged(digest, f"{name} is missing")
            make_private(path)
            if not checking.is_file_of(draft, entries, name):
                raise self._damaged(digest, f"{name} is not what was stored")

        for _ in self._backend.at_once(bring, entries):
            pass

    def _missing(self, digest: str) -> ArtifactMissingError:
        return ArtifactMissingError(f"artifact {digest[:12]} is not in the artifact store {self.location}")

    def _damaged(self, digest: str, how: str) -> ArtifactMissingError:
        self._cache.mark_damaged(digest)
        with suppress(MlxError):  # who may only read cannot tell the others
            self.put_entry(f"{_DAMAGED}{digest}", digest.encode())
        return ArtifactMissingError(
            f"artifact {digest[:12]} in {self.location} is damaged: {how}; it was not used",
            hint="run again what made it, with `--no-cache`",
        )


def _digest(uri: str) -> str:
    if not is_uri(uri):
        raise ArtifactMissingError(f"{uri!r} is not the key of an artifact")
    return uri.rstrip("/").partition("/")[2]


def _entry(name: str) -> str:
    check_entry_name(name)
    return f"{_ENTRIES}/{name}"
