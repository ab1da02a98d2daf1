"""Proof that stored content is what its record says, byte for byte, without turning it into a value."""

from __future__ import annotations

from . import folders, io
from .errors import ArtifactMissingError
from .records import ArtifactRecord
from .store import ArtifactStore


def prove(record: ArtifactRecord, store: ArtifactStore) -> None:
    """Read all of an artifact's content; raises ArtifactMissingError when it is gone, or not what was stored."""
    if record.inline is not None:
        if io.inline_digest(record.inline, record.materializer) != record.digest:
            raise ArtifactMissingError(f"artifact {record.digest[:12]} is damaged: its content was changed")
        return
    if hasattr(store, "prove"):  # one that keeps copies here: the content itself is meant
        store.prove(record)
        return
    store.discard_copy(record.uri)
    if record.uri.endswith("/"):
        folder, entries = io.parts_of(record, store)
        for name in entries:
            folders.check_file(folder, entries, name)
    else:
        io.checked_file(record, store, verify=True)
