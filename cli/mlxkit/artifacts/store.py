"""What artifacts ask of an artifact store: a place to draft, a way to commit under a digest, a way back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from .records import ArtifactRecord


def uri_of(digest: str, *, is_folder: bool) -> str:
    """Return the key of content inside any store: two hex digits, then the whole digest."""
    return f"{digest[:2]}/{digest}{'/' if is_folder else ''}"


class ArtifactStore(Protocol):
    """Content kept under its digest. What is visible under a key is whole: there are no half-written entries."""

    @property
    def location(self) -> str:
        """Where the store is, for people."""

    def draft(self) -> AbstractContextManager[Path]:
        """Give a private folder on a local disk to write content in; what is left in it afterwards is removed."""

    def commit(self, draft: Path, uri: str) -> None:
        """Move a finished file or folder to its key; the same content may be there already."""

    def locate(self, uri: str) -> Path:
        """Return a local path to read; raises ArtifactMissingError when nothing is stored under the key."""

    def exists(self, artifact: ArtifactRecord) -> bool:
        """Say whether the content of an artifact is there at its recorded size, without reading it."""

    def delete(self, uri: str) -> None:
        """Remove content; what is not there is no error."""

    def uris(self) -> Iterator[str]:
        """Return the keys of everything that is stored."""
