"""The words for stored content that is intact and cannot be turned back into a value."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .errors import ArtifactMissingError, ArtifactUnreadableError, UntrustedCodeError
from .records import ArtifactRecord
from .trust import author


@contextmanager
def reading(record: ArtifactRecord) -> Iterator[None]:
    """Say which artifact it was when stored content cannot be turned back into a value."""
    try:
        yield
    except (ArtifactMissingError, ArtifactUnreadableError, UntrustedCodeError):
        raise
    except ImportError as error:
        raise ArtifactUnreadableError(
            f"artifact {record.digest[:12]} ({record.type}) needs a library: {error}"
        ) from error
    except Exception as error:
        raise ArtifactUnreadableError(
            f"artifact {record.digest[:12]} ({record.type}) cannot be read: {type(error).__name__}: {error}",
            hint=_way_out(record),
        ) from error


def _way_out(record: ArtifactRecord) -> str | None:
    told = author(record)
    return (
        f"{told['by']} wrote it in run {told['run']}; to make it here, run with `--no-cache`"
        if told
        else None
    )
