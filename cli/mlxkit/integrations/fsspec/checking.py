"""Downloaded content held against the digest that is its key, before anybody reads it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from ...artifacts.errors import ArtifactMissingError
from ...artifacts.folders import FILES, Entries
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


def entries_of(manifest: Path, digest: str) -> Entries:
    """Return the files that a manifest names; one that leads out of its folder is never written."""
    try:
        listed = json.loads(manifest.read_bytes())["files"]
        entries = {str(name): (int(size), str(found)) for name, size, found in listed}
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactMissingError(
            f"artifact {digest[:12]} is damaged: its manifest cannot be read"
        ) from error
    for name in entries:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or str(path) != name:
            raise ArtifactMissingError(f"artifact {digest[:12]} is damaged: its manifest names {name!r}")
    return entries


def is_file_of(folder: Path, entries: Entries, name: str) -> bool:
    """Say whether a file of a folder is what its manifest says."""
    path = folder / FILES / name
    size, digest = entries[name]
    return path.stat().st_size == size and file_digest(path) == digest
