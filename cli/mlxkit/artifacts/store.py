"""What artifacts ask of an artifact store: a place to draft, a way to commit under a digest, a way back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from ..dataclass import dataclass
from .records import ArtifactRecord

ENTRY_LIMIT = 4 << 20  # bytes of a document; a larger one is nobody's of us, and is not read
RUN_LIMIT = 256 << 20  # bytes of one below `runs/`, which tells of all steps of a run
_URI = re.compile(r"([0-9a-f]{2})/\1[0-9a-f]{62}/?", re.ASCII)
_ENTRY_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*", re.ASCII)


def uri_of(digest: str, *, is_folder: bool) -> str:
    """Return the key of content inside any store: two hex digits, then the whole digest."""
    return f"{digest[:2]}/{digest}{'/' if is_folder else ''}"


def is_uri(text: str) -> bool:
    """Say whether a text can be the key of content, in every store: what is none is nobody's of us."""
    return _URI.fullmatch(text) is not None


def is_entry_name(name: str) -> bool:
    """Say whether a text can be the name of an entry, in every store."""
    return _ENTRY_NAME.fullmatch(name) is not None


def entry_limit(name: str) -> int:
    """Return how many bytes the document of a name can have."""
    return RUN_LIMIT if name.startswith("runs/") else ENTRY_LIMIT


def check_entry_name(name: str) -> None:
    """Refuse what cannot be the name of an entry: raises ValueError, for it is a mistake of ours."""
    if not is_entry_name(name):
        raise ValueError(f"{name!r} is not the name of an entry")


@dataclass(frozen=True)
class Stored:
    """What is under a key: `size` in bytes, `changed` in seconds since 1970 where the store tells."""

    size: int
    changed: float | None


class ArtifactStore(Protocol):
    """Content kept under its digest. What is visible under a key is whole: there are no half-written entries."""

    @property
    def location(self) -> str:
        """Where the store is, for people."""

    def draft(self) -> AbstractContextManager[Path]:
        """Give a private folder on a local disk to write content in; what is left in it afterwards is removed."""

    def commit(self, draft: Path, uri: str) -> None:
        """Move a finished file or folder to its key; the same content may be there already."""

    def locate(self, uri: str, artifact: ArtifactRecord | None = None) -> Path:
        """Return a local path to read; raises ArtifactMissingError when nothing is stored under the key.

        A store that has to fetch content checks it against its digest first; it needs the record for all of that.
        """

    def discard_copy(self, uri: str) -> bool:
        """Forget the copy on this machine, which is damaged; False where the content itself is what was read."""

    def exists(self, artifact: ArtifactRecord) -> bool:
        """Say whether the content of an artifact is there at its recorded size, without reading it."""

    def measure(self, uri: str) -> Stored | None:
        """Return the size and the age of what is stored under a key, without reading it, or None."""

    def delete(self, uri: str) -> None:
        """Remove content; what is not there is no error."""

    def uris(self) -> Iterator[str]:
        """Return the keys of everything that is stored."""


class EntryStore(ArtifactStore, Protocol):
    """A store that keeps small named documents beside its content: what a team's runs tell each other.

    A name is a path of lower-case words and digits, as `cache/ab/abcd...`. A document is whole or not there.
    """

    @property
    def name(self) -> str:
        """The name of the component, for what is to be typed about it."""

    @property
    def trusts_code(self) -> bool:
        """Whether code that others stored may be run (`stacks.trusting`)."""

    @property
    def is_shared(self) -> bool:
        """Whether another checkout may use the same store: it lies outside of the state folder of this one."""

    @property
    def is_remote(self) -> bool:
        """Whether asking costs a round trip to another machine."""

    def put_entry(self, name: str, content: bytes) -> bytes:
        """Write a document unless it is there already, and return the one that counts: the first writer's."""

    def get_entry(self, name: str) -> bytes | None:
        """Return a document, or None; raises ArtifactStoreError for one that is larger than its `entry_limit`."""

    def delete_entry(self, name: str) -> None:
        """Remove a document; one that is not there is no error."""

    def entries(self, prefix: str) -> Iterator[str]:
        """Return the names of the documents that begin with `prefix`, in order."""
