"""Downloaded content held against the digest that is its key, before anybody reads it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ...artifacts.folders import FILES, MANIFEST, Entries
from ...artifacts.folders import empty_folders_of as empty_folders_of
from ...artifacts.folders import entries_of as entries_of
from ...artifacts.hashing import file_digest, tag_of
from ...artifacts.materializers.formats import FORMATS
from ...artifacts.records import ArtifactRecord

_PLAIN = ("text", "bytes", "json")


def is_content(path: Path, digest: str, artifact: ArtifactRecord | None) -> bool:
    """Say whether a file is the content with a digest; every format is tried where the record is not known."""
    names: Iterable[str] = (*FORMATS, *_PLAIN) if artifact is None else (artifact.materializer,)
    return any(file_digest(path, tag_of(name)) == digest for name in names)


def is_manifest(path: Path, digest: str, artifact: ArtifactRecord | None) -> bool:
    """Say whether a file is the manifest with a digest.

    Without the record it cannot be told, for a materializer's name belongs to it; who reads it later has the record
    and looks again.
    """
    return artifact is None or file_digest(path, tag_of(artifact.materializer)) == digest


def is_good_copy(folder: Path, digest: str, artifact: ArtifactRecord | None) -> bool:
    """Say whether a folder that was brought before has the manifest with a digest."""
    try:
        return is_manifest(folder / MANIFEST, digest, artifact)
    except OSError:
        return False


def is_file_of(folder: Path, entries: Entries, name: str) -> bool:
    """Say whether a file of a folder is what its manifest says."""
    path = folder / FILES / name
    size, digest = entries[name]
    return path.stat().st_size == size and file_digest(path) == digest
