"""Whose code a stored value would run when it is loaded: a digest proves what content is, not who wrote it.

What came from the cache that others share is marked with who wrote it. The mark stands in the summary of the record,
which is no part of any digest or cache key, so that it goes wherever the record goes: into history, to a worker.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

from .errors import UntrustedCodeError
from .records import ArtifactRecord
from .store import ArtifactStore

WRITTEN_BY = "written_by"


def mark(summary: Mapping[str, Any], by: str, run: str) -> dict[str, Any]:
    """Return a summary that says who wrote the value, as `user@host`, and in which run."""
    return {**summary, WRITTEN_BY: {"by": by, "run": run}}


def unmarked(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return a summary without the mark."""
    return {key: value for key, value in summary.items() if not (key == WRITTEN_BY and _is_mark(value))}


def author(record: ArtifactRecord) -> Mapping[str, Any] | None:
    """Return who wrote a value (`by`) and in which `run`, None where nobody but this project did."""
    told = record.summary.get(WRITTEN_BY)
    return told if _is_mark(told) else None


def check_code(record: ArtifactRecord, store: ArtifactStore, what: str = "") -> None:
    """Raise UntrustedCodeError before code that somebody else stored or named is run, unless the store trusts them.

    `what` is the code that is only named; without it the content is code itself.
    """
    told = author(record)
    if told is None or getattr(store, "trusts_code", False):
        return
    name = getattr(store, "name", "") or "NAME"
    does = f"needs {what}" if what else f"runs code that is stored in it ({_kind(record)})"
    raise UntrustedCodeError(
        f"artifact {record.digest[:12]} ({record.type}) was written by {told['by']} in run {told['run']}, "
        f"and loading it {does}; to trust whoever writes to {store.location}: "
        f"`mlx artifact-store update {name} --trust_code=true`; to make the value here: run it again with `--no-cache`"
    )


def _is_mark(value: Any) -> TypeGuard[Mapping[str, Any]]:
    """Say whether a fact of a summary is our mark: those that a user's materializer gives are never mappings."""
    return isinstance(value, Mapping) and "by" in value and "run" in value


def _kind(record: ArtifactRecord) -> str:
    if record.materializer.startswith("custom:"):
        return f"materializer {record.materializer.removeprefix('custom:')}"
    return "a pickle" if record.materializer == "cloudpickle" else "it holds what is pickled"
