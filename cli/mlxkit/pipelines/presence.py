"""Whether what steps gave is still in the artifact store; where asking is a journey, all of it is asked for at once."""

from __future__ import annotations

from collections.abc import Iterable

from ..artifacts.store import ArtifactStore
from ..runs.records import OutputRecord, artifact_of


def first_gone(store: ArtifactStore, outputs: Iterable[OutputRecord]) -> OutputRecord | None:
    """Return the first output whose content is not there, or None."""
    found = list(outputs)
    exist = getattr(store, "exist", None)
    if exist is None:
        return next((one for one in found if not store.exists(artifact_of(one))), None)
    there = exist([artifact_of(one) for one in found])
    return next((one for one, is_there in zip(found, there, strict=True) if not is_there), None)
